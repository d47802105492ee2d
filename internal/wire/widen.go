package wire

import "reflect"

// widen gives the interface values inside a decoded v the types that Unmarshal
// promises; the library's depend on how a number was encoded.
func widen(v reflect.Value, step int) {
	if step > maxSteps {
		return // the destination contained itself before
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			widen(v.Elem(), step+1)
		}
	case reflect.Interface:
		widenInterface(v, step)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				widen(v.Field(i), step+1)
			}
		}
	case reflect.Slice, reflect.Array:
		if isFlat(v.Type().Elem()) {
			return
		}
		for i := range v.Len() {
			widen(v.Index(i), step+1)
		}
	case reflect.Map:
		widenMap(v, step)
	}
}

func widenInterface(v reflect.Value, step int) {
	switch {
	case v.IsNil():
	case v.NumMethod() == 0 && v.CanSet():
		v.Set(reflect.ValueOf(wide(v.Interface())))
		widen(v.Elem(), step+1)
	default:
		widen(v.Elem(), step+1)
	}
}

func widenMap(v reflect.Value, step int) {
	elem := v.Type().Elem()
	if isFlat(elem) {
		return
	}
	for it := v.MapRange(); it.Next(); {
		value := reflect.New(elem).Elem()
		value.Set(it.Value())
		widen(value, step+1)
		v.SetMapIndex(it.Key(), value)
	}
}

// wide returns a number in its widest type, and anything else as it is.
func wide(v any) any {
	switch n := v.(type) {
	case int8:
		return int64(n)
	case int16:
		return int64(n)
	case int32:
		return int64(n)
	case uint8:
		return int64(n)
	case uint16:
		return int64(n)
	case uint32:
		return int64(n)
	case uint64:
		return integer(n)
	case float32:
		return float64(n)
	}
	return v
}
