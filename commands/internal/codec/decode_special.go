package codec

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"time"
)

// specialDecoders make the decoders of types that do not travel by their kind.
var specialDecoders map[form]func(reflect.Type) (decodeFunc, string)

func init() { // not in the declaration: decoders refer back to it
	specialDecoders = map[form]func(reflect.Type) (decodeFunc, string){
		formTime:     func(reflect.Type) (decodeFunc, string) { return decodeTime, wantTime },
		formDuration: func(reflect.Type) (decodeFunc, string) { return decodeDuration, wantDuration },
		formNumber:   func(reflect.Type) (decodeFunc, string) { return decodeNumber, "a number" },
		formRaw:      func(reflect.Type) (decodeFunc, string) { return decodeRaw, "any value" },
		formText:     func(reflect.Type) (decodeFunc, string) { return decodeText, "text" },
		formJSON:     func(reflect.Type) (decodeFunc, string) { return decodeJSON, "a value" },
		formBytes:    decodeBytes,
	}
}

const (
	wantTime     = "a time (a timestamp, or text in RFC 3339)"
	wantDuration = `a duration (integer nanoseconds, or text such as "1.5s")`
)

func decodeTime(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	var t time.Time
	switch h.kind {
	case kindTime:
		t = h.time()
	case kindStr:
		if t, err = time.Parse(time.RFC3339Nano, string(h.data)); err != nil {
			return problemf("expected %s, got another text", wantTime)
		}
	default:
		return expected(wantTime, h)
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func decodeDuration(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	n, ok := h.int64()
	if h.kind == kindStr {
		d, err := time.ParseDuration(string(h.data))
		if err != nil {
			return problemf("expected %s, got another text", wantDuration)
		}
		n, ok = int64(d), true
	}
	if !ok {
		return expected(wantDuration, h)
	}
	v.SetInt(n)
	return nil
}

func decodeNumber(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	text, ok := h.number()
	if !ok {
		return expected("a number", h)
	}
	v.SetString(text)
	return nil
}

// number writes a number as JSON does; NaN and the infinities have no such form.
func (h head) number() (string, bool) {
	switch h.kind {
	case kindUint:
		return strconv.FormatUint(h.bits, 10), true
	case kindInt:
		return strconv.FormatInt(int64(h.bits), 10), true
	case kindFloat:
		b, err := json.Marshal(h.float())
		return string(b), err == nil
	}
	return "", false
}

func decodeRaw(r *reader, v reflect.Value) error {
	start := r.off
	if err := r.skip(); err != nil {
		return err
	}
	raw := r.in[start:r.off]
	if err := r.charge(uint64(len(raw)), 1); err != nil {
		return err
	}
	v.SetBytes(append([]byte(nil), raw...))
	return nil
}

// decodeBytes accepts bin, and the base64 that JSON has instead.
func decodeBytes(t reflect.Type) (decodeFunc, string) {
	const want = "bytes (or text in base64)"
	array := t.Kind() == reflect.Array
	return func(r *reader, v reflect.Value) error {
		if !array && r.nextIsNil() {
			v.SetZero()
			return nil
		}
		h, err := r.head()
		if err != nil {
			return err
		}
		data := h.data
		switch h.kind {
		case kindBin:
		case kindStr:
			data, err = base64.StdEncoding.Strict().DecodeString(string(data))
			if err != nil {
				return problemf("expected %s, got another text", want)
			}
		default:
			return expected(want, h)
		}
		if array && len(data) != v.Len() {
			return problemf("expected %d bytes, got %d", v.Len(), len(data))
		}
		if err := r.charge(uint64(len(data)), 1); err != nil {
			return err
		}
		if !array {
			own := make([]byte, len(data))
			copy(own, data)
			v.SetBytes(own)
			return nil
		}
		copy(v.Bytes(), data)
		return nil
	}, want
}

// maxDigits bounds the numbers of math/big: reading digits takes time that
// grows with the square of their number.
const maxDigits = 10_000

// decodeText is for types with text methods and, of those with JSON methods
// too, for the numbers of math/big only.
func decodeText(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	if isBig := v.Addr().Type().Implements(jsonUnmarshaler); isBig {
		if n, ok := h.number(); ok {
			return unmarshalText([]byte(n), v)
		}
		if h.bits > maxDigits {
			return problemf("expected a number of at most %d digits", maxDigits)
		}
	}
	if h.kind != kindStr {
		return expected("text", h)
	}
	if err := r.charge(h.bits, 1); err != nil {
		return err
	}
	return unmarshalText(h.data, v)
}

// unmarshalText hands a copy to the type: the input is not the type's to keep.
func unmarshalText(text []byte, v reflect.Value) error {
	err := ofValue[encoding.TextUnmarshaler](v).UnmarshalText(append([]byte(nil), text...))
	if err != nil {
		return problemf("%v", err)
	}
	return nil
}

func decodeJSON(r *reader, v reflect.Value) error {
	text, err := r.appendJSON(nil)
	if err != nil {
		return err
	}
	if err := ofValue[json.Unmarshaler](v).UnmarshalJSON(text); err != nil {
		return problemf("%v", err)
	}
	return nil
}
