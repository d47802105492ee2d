package codec

import (
	"reflect"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// fieldEncoder is how one field of a struct is encoded.
type fieldEncoder struct {
	field
	plan *plan
}

func (c *compiler) encodeStruct(p *plan, t reflect.Type) error {
	found, err := fieldsOf(t)
	if err != nil {
		return err
	}
	var fields []fieldEncoder
	mayOmit := false
	for _, f := range found {
		fp, err := c.part(f.typ)
		if err != nil {
			return inField(f.name, err)
		}
		fields = append(fields, fieldEncoder{f, fp})
		mayOmit = mayOmit || f.omitEmpty || f.omitZero || len(f.index) > 1
	}
	p.encode = func(w *writer, v reflect.Value) error {
		if err := w.enter(); err != nil {
			return err
		}
		defer w.leave()
		n := len(fields)
		if mayOmit {
			n = countPresent(fields, v)
		}
		w.out = wire.AppendMap(w.out, n)
		for i := range fields {
			f := &fields[i]
			part, ok := f.of(v)
			if !ok {
				continue
			}
			w.out = wire.AppendString(w.out, f.name)
			if err := f.plan.encode(w, part); err != nil {
				return inField(f.name, err)
			}
		}
		return nil
	}
	return nil
}

func countPresent(fields []fieldEncoder, v reflect.Value) int {
	n := 0
	for i := range fields {
		if _, ok := fields[i].of(v); ok {
			n++
		}
	}
	return n
}

// of returns the field of the struct v, and whether it is to be sent: not if
// it is omitted by its tag or lies in an embedded struct that is nil.
func (f *fieldEncoder) of(v reflect.Value) (reflect.Value, bool) {
	for n, i := range f.index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	if f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v) {
		return v, false
	}
	return v, true
}

// isEmpty is the emptiness of encoding/json's omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero asks the type itself, if it has an opinion.
func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}
