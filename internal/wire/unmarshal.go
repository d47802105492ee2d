package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Unmarshal passes b through Guard and decodes it into v, a pointer. Struct
// fields are found as in Marshal; unknown map keys are ignored. Into an
// interface, an integer becomes an int64, or a uint64 if it does not fit, a
// float a float64, a byte string a []byte, a timestamp a time.Time, and
// containers become []any and map[string]any.
//
// Into typed integers the decoder cuts off what does not fit without an error.
// Who wants to know decodes into an interface first. Safe for concurrent use.
func Unmarshal(b []byte, v any, lim GuardLimits) (err error) {
	if err := Guard(b, lim); err != nil {
		return err
	}
	switch p := v.(type) {
	case *any:
		*p, _ = decodeAny(b)
		return nil
	case *map[string]any:
		return decodeInto(p, b)
	case *[]any:
		return decodeInto(p, b)
	}
	return decodeTyped(b, v)
}

// decodeInto decodes b into a container that an interface would get as well.
func decodeInto[T any](p *T, b []byte) error {
	v, _ := decodeAny(b)
	if v == nil {
		*p = *new(T)
		return nil
	}
	t, ok := v.(T)
	if !ok {
		return fmt.Errorf("wire: cannot decode %T into %T", v, t)
	}
	*p = t
	return nil
}

// decodeTyped runs the library's decoder, without its pool: what is pooled
// keeps its buffer. The decoder panics on some destinations.
func decodeTyped(b []byte, v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("wire: decoding into %T panicked: %v", v, p)
		}
	}()
	dec := msgpack.NewDecoder(bytes.NewReader(b))
	dec.SetCustomStructTag(fieldTag)
	if err := dec.Decode(v); err != nil {
		return err
	}
	widen(reflect.ValueOf(v), 0)
	return nil
}

// decodeAny decodes the value at the start of b, which passed Guard, and
// returns what follows it.
func decodeAny(b []byte) (v any, rest []byte) {
	h := readHead(b)
	text, rest := b[h.start:h.size], b[h.size:]
	switch h.kind {
	case kindBool:
		return h.value != 0, rest
	case kindUint:
		return integer(h.value), rest
	case kindInt:
		return int64(h.value), rest
	case kindFloat32:
		return float64(math.Float32frombits(uint32(h.value))), rest
	case kindFloat64:
		return math.Float64frombits(h.value), rest
	case kindString:
		return string(text), rest
	case kindBytes:
		return append(make([]byte, 0, len(text)), text...), rest
	case kindTime:
		return decodeTime(text), rest
	case kindArray:
		return decodeSlice(rest, int(h.value))
	case kindMap:
		return decodeMap(rest, int(h.value))
	}
	return nil, rest
}

// integer is an int64 where that is possible.
func integer(n uint64) any {
	if n <= math.MaxInt64 {
		return int64(n)
	}
	return n
}

func decodeSlice(b []byte, n int) (any, []byte) {
	s := make([]any, n)
	for i := range s {
		s[i], b = decodeAny(b)
	}
	return s, b
}

func decodeMap(b []byte, n int) (any, []byte) {
	m := make(map[string]any, n)
	for range n {
		key := readHead(b)
		name := string(b[key.start:key.size])
		m[name], b = decodeAny(b[key.size:])
	}
	return m, b
}

// decodeTime reads the 4, 8 or 12 bytes of a timestamp.
func decodeTime(b []byte) time.Time {
	switch len(b) {
	case 4:
		return time.Unix(int64(binary.BigEndian.Uint32(b)), 0).UTC()
	case 8:
		n := binary.BigEndian.Uint64(b)
		return time.Unix(int64(n&(1<<34-1)), int64(n>>34)).UTC()
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b))).UTC()
}
