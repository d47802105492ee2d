package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"time"
)

// appendJSON reads the next value and appends it as JSON: bytes in base64,
// times in RFC 3339, integers with all their digits.
func (r *reader) appendJSON(dst []byte) ([]byte, error) {
	h, err := r.head()
	if err != nil {
		return nil, err
	}
	if err := r.charge(2*h.bytes(), 1); err != nil {
		return nil, err
	}
	switch h.kind {
	case kindNil:
		return append(dst, "null"...), nil
	case kindBool:
		return strconv.AppendBool(dst, h.bits == 1), nil
	case kindStr:
		return appendJSONText(dst, h.data), nil
	case kindBin:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), h.data), '"'), nil
	case kindTime:
		return append(h.time().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
	case kindArray:
		return r.appendJSONParts(dst, h.bits, '[', ']')
	case kindMap:
		return r.appendJSONParts(dst, h.bits, '{', '}')
	}
	n, ok := h.number()
	if !ok {
		return nil, expected("a number that JSON has", h)
	}
	return append(dst, n...), nil
}

func (r *reader) appendJSONParts(dst []byte, n uint64, opening, closing byte) ([]byte, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	dst = append(dst, opening)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		step := "[" + strconv.FormatUint(i, 10) + "]"
		if opening == '{' {
			key, err := r.key()
			if err != nil {
				return nil, err
			}
			dst = append(appendJSONText(dst, key), ':')
			step = "." + label(string(key))
		}
		var err error
		if dst, err = r.appendJSON(dst); err != nil {
			return nil, below(step, err)
		}
	}
	return append(dst, closing), nil
}

func appendJSONText(dst, text []byte) []byte {
	b, _ := json.Marshal(string(text)) // a string always has a JSON form
	return append(dst, b...)
}

// fromJSON encodes the value of a JSON text.
func (w *writer) fromJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return problemf("its JSON form is broken: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return problemf("its JSON form is broken: it goes on after the value")
	}
	return w.any(reflect.ValueOf(&v).Elem())
}
