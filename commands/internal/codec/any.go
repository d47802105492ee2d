package codec

import "math"

// any decodes the next value as described in the package comment.
func (r *reader) any() (any, error) {
	h, err := r.head()
	if err != nil {
		return nil, err
	}
	if err := r.charge(h.bytes(), 1); err != nil {
		return nil, err
	}
	switch h.kind {
	case kindNil:
		return nil, nil
	case kindBool:
		return h.bits == 1, nil
	case kindUint:
		if h.bits > math.MaxInt64 {
			return h.bits, nil
		}
		return int64(h.bits), nil
	case kindInt:
		return int64(h.bits), nil
	case kindFloat:
		return h.float(), nil
	case kindStr:
		return string(h.data), nil
	case kindBin:
		return append([]byte{}, h.data...), nil
	case kindTime:
		return h.time(), nil
	case kindArray:
		return r.anyArray(h.bits)
	default:
		return r.anyMap(h.bits)
	}
}

// bytes is about what the value of h takes in an interface, without parts.
func (h head) bytes() uint64 {
	switch h.kind {
	case kindStr, kindBin:
		return 24 + h.bits
	case kindArray:
		return 24 + 16*h.bits
	case kindMap:
		return 48 + 64*h.bits
	case kindTime:
		return 24
	}
	return 8
}

func (r *reader) anyArray(n uint64) ([]any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	out := make([]any, n)
	for i := range out {
		v, err := r.any()
		if err != nil {
			return nil, inElement(i, err)
		}
		out[i] = v
	}
	return out, nil
}

func (r *reader) anyMap(n uint64) (map[string]any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	out := make(map[string]any, n)
	for range n {
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		if _, ok := out[string(key)]; ok {
			return nil, twice(string(key))
		}
		v, err := r.any()
		if err != nil {
			return nil, inField(string(key), err)
		}
		out[string(key)] = v
	}
	return out, nil
}
