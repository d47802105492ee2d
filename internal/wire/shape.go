package wire

import (
	"encoding"
	"errors"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// maxSteps is how many pointers, interfaces and containers a value may have
// on one path. It only has to stop values that contain themselves; Guard then
// measures the depth of the encoding.
const maxSteps = 4 * MaxDepth

// Why Marshal refuses a value before encoding it.
var (
	ErrTooDeep = errors.New("wire: value is nested too deep, or contains itself")
	ErrTooMany = errors.New("wire: value has too many parts")
)

var ownEncoding = []reflect.Type{
	reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
}

// checkShape walks v before it is encoded, because the encoder recurses
// without a limit, and a stack that overflows ends the process.
func checkShape(v reflect.Value, step int, budget *int) error {
	if *budget--; *budget < 0 {
		return ErrTooMany
	}
	if step > maxSteps {
		return ErrTooDeep
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() || hasOwnEncoding(v.Type()) {
			return nil
		}
		return checkShape(v.Elem(), step+1, budget)
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		if hasOwnEncoding(v.Type()) {
			return nil
		}
		return checkParts(v, step+1, budget)
	}
	return nil
}

// checkParts checks the parts of a container, unless their type shows that
// they are flat.
func checkParts(v reflect.Value, step int, budget *int) error {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if err := checkShape(v.Field(i), step, budget); err != nil {
				return err
			}
		}
	case reflect.Map:
		if isFlat(v.Type().Elem()) {
			return nil
		}
		for it := v.MapRange(); it.Next(); {
			if err := checkShape(it.Value(), step, budget); err != nil {
				return err
			}
		}
	default:
		if isFlat(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := checkShape(v.Index(i), step, budget); err != nil {
				return err
			}
		}
	}
	return nil
}

// isFlat reports whether values of t have no parts.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface, reflect.Pointer, reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		return false
	}
	return true
}

// hasOwnEncoding reports whether t encodes itself.
func hasOwnEncoding(t reflect.Type) bool {
	if t.PkgPath() == "" && t.Kind() != reflect.Pointer {
		return false // unnamed: no methods of its own
	}
	for _, own := range ownEncoding {
		if t.Implements(own) {
			return true
		}
	}
	return false
}
