package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// plainWriter encodes values made of the types that an interface is decoded
// to, and their near relatives. Most calls carry nothing else, and the
// library, which reflects, takes several times as long.
type plainWriter struct {
	out    []byte
	values int // still allowed
}

// write appends v. It returns false for a value that contains any other type;
// what was written then is of no use.
func (w *plainWriter) write(v any, depth int) (ok bool, err error) {
	if w.values--; w.values < 0 {
		return false, ErrTooMany
	}
	if len(w.out) > MaxBig {
		return false, ErrTooBig
	}
	switch v := v.(type) {
	case []any:
		return w.slice(v, depth)
	case map[string]any:
		return w.mapping(v, depth)
	}
	return w.scalar(v), nil
}

func (w *plainWriter) slice(s []any, depth int) (ok bool, err error) {
	if s == nil {
		w.out = AppendNil(w.out)
		return true, nil
	}
	if depth >= MaxDepth {
		return false, ErrTooDeep
	}
	w.out = AppendArray(w.out, len(s))
	for _, v := range s {
		if ok, err := w.write(v, depth+1); !ok {
			return false, err
		}
	}
	return true, nil
}

func (w *plainWriter) mapping(m map[string]any, depth int) (ok bool, err error) {
	if m == nil {
		w.out = AppendNil(w.out)
		return true, nil
	}
	if depth >= MaxDepth {
		return false, ErrTooDeep
	}
	w.out = AppendMap(w.out, len(m))
	var room [16]string
	keys := room[:0]
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		w.out = AppendString(w.out, key)
		if ok, err := w.write(m[key], depth+1); !ok {
			return false, err
		}
	}
	return true, nil
}

// scalar appends a value without parts, if it is of a plain type.
func (w *plainWriter) scalar(v any) bool {
	switch v := v.(type) {
	case nil:
		w.out = AppendNil(w.out)
	case bool:
		w.out = AppendBool(w.out, v)
	case string:
		w.out = AppendString(w.out, v)
	case []byte:
		w.bytes(v)
	case int:
		w.out = AppendInt(w.out, int64(v))
	case int64:
		w.out = AppendInt(w.out, v)
	case uint64:
		w.out = AppendUint(w.out, v)
	case float64:
		w.out = binary.BigEndian.AppendUint64(append(w.out, codeFloat64), math.Float64bits(v))
	case time.Time:
		w.out = appendTime(w.out, v)
	default:
		return false
	}
	return true
}

func (w *plainWriter) bytes(b []byte) {
	if b == nil {
		w.out = AppendNil(w.out)
		return
	}
	w.out = AppendBytes(w.out, b)
}

// appendTime appends a timestamp in the shortest form that holds it.
func appendTime(dst []byte, t time.Time) []byte {
	seconds, nanos := uint64(t.Unix()), uint64(t.Nanosecond())
	switch {
	case seconds>>34 != 0:
		dst = binary.BigEndian.AppendUint32(append(dst, codeExt8, 12, extTime), uint32(nanos))
		return binary.BigEndian.AppendUint64(dst, seconds)
	case nanos == 0 && seconds <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, codeFixExt4, extTime), uint32(seconds))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeFixExt8, extTime), nanos<<34|seconds)
}
