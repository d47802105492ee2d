package codec

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// buildEncoder fills p for t.
func buildEncoder(c *compiler, p *plan, t reflect.Type) error {
	if p.encode = specialEncoder(encodeForm(t)); p.encode != nil {
		return nil
	}
	if k := t.Kind(); (k == reflect.Pointer || k == reflect.Struct) && t.Implements(errorType) {
		return unsupported(t, "is an error; it has no form as a value")
	}
	switch t.Kind() {
	case reflect.Bool:
		p.encode = func(w *writer, v reflect.Value) error { w.out = wire.AppendBool(w.out, v.Bool()); return nil }
	case reflect.String:
		p.encode = func(w *writer, v reflect.Value) error { return w.string(v.String()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.encode = func(w *writer, v reflect.Value) error { w.int(v.Int()); return nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.encode = func(w *writer, v reflect.Value) error { w.out = wire.AppendUint(w.out, v.Uint()); return nil }
	case reflect.Float32:
		p.encode = func(w *writer, v reflect.Value) error { w.float32(float32(v.Float())); return nil }
	case reflect.Float64:
		p.encode = func(w *writer, v reflect.Value) error { w.float64(v.Float()); return nil }
	case reflect.Interface:
		p.encode = func(w *writer, v reflect.Value) error { return w.any(v) }
	case reflect.Pointer:
		return c.encodePointer(p, t)
	case reflect.Slice, reflect.Array:
		return c.encodeList(p, t)
	case reflect.Map:
		return c.encodeMap(p, t)
	case reflect.Struct:
		return c.encodeStruct(p, t)
	default:
		return unsupported(t, "does not travel")
	}
	return nil
}

// any writes what is behind an interface.
func (w *writer) any(v reflect.Value) error {
	if v.IsNil() {
		w.null()
		return nil
	}
	return w.value(v.Interface())
}

func specialEncoder(f form) encodeFunc {
	switch f {
	case formTime:
		return func(w *writer, v reflect.Value) error { w.time(v.Interface().(time.Time)); return nil }
	case formDuration:
		return func(w *writer, v reflect.Value) error { w.int(v.Int()); return nil }
	case formNumber:
		return func(w *writer, v reflect.Value) error { return w.number(v.String()) }
	case formRaw:
		return func(w *writer, v reflect.Value) error { return w.raw(v.Bytes()) }
	case formText:
		return encodeText
	case formJSON:
		return encodeJSON
	case formBytes:
		return encodeBytes
	}
	return nil
}

// number writes a json.Number as an integer if it is one, else as a float.
func (w *writer) number(text string) error {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		w.int(n)
		return nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		w.out = wire.AppendUint(w.out, n)
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	whole := !strings.ContainsAny(text, ".eE")
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || whole && strconv.FormatFloat(f, 'f', -1, 64) != text {
		return problemf("a number that neither a 64-bit integer nor a float64 holds")
	}
	w.float64(f)
	return nil
}

func (w *writer) raw(b []byte) error {
	if b == nil {
		w.null()
		return nil
	}
	limits := wire.Data
	limits.Depth -= w.depth
	if err := wire.Guard(b, limits); err != nil {
		return problemf("a Raw that is not one value: %v", err)
	}
	if err := w.fits(len(b)); err != nil {
		return err
	}
	w.out = append(w.out, b...)
	return nil
}

func encodeText(w *writer, v reflect.Value) error {
	text, err := ofValue[encoding.TextMarshaler](v).MarshalText()
	if err != nil {
		return problemf("%v", err)
	}
	return w.string(string(text))
}

func encodeJSON(w *writer, v reflect.Value) error {
	text, err := ofValue[json.Marshaler](v).MarshalJSON()
	if err != nil {
		return problemf("%v", err)
	}
	return w.fromJSON(text)
}

func encodeBytes(w *writer, v reflect.Value) error {
	if v.Kind() == reflect.Slice {
		if v.IsNil() {
			w.null()
			return nil
		}
		return w.bytes(v.Bytes())
	}
	if v.CanAddr() {
		return w.bytes(v.Bytes())
	}
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	return w.bytes(b)
}
