package codec

import "reflect"

// Count returns the number of elements of an array, or of pairs of a map. No
// bytes at all count as none of either.
func Count(raw []byte) (int, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	r := newReader(raw)
	h, err := r.head()
	if err == nil && h.kind != kindArray && h.kind != kindMap {
		err = expected("an array or a map", h)
	}
	return int(h.bits), err
}

// Element decodes the element i of an array into v, and reports whether there
// is one. Like the fields of an [Input] it is decoded strictly: unknown and
// missing fields of structs in it are refused.
func Element(raw []byte, i int, v reflect.Value) (bool, error) {
	p, err := decoders.of(v.Type())
	if err != nil {
		return false, err
	}
	n, err := Count(raw)
	if err != nil || i < 0 || i >= n {
		return false, err
	}
	r := newReader(raw)
	if _, err := r.head(); err != nil {
		return false, err
	}
	for range i {
		if err := r.skip(); err != nil {
			return false, err
		}
	}
	return true, p.decode(&r, v)
}

// RawElement returns the encoding of the element i of an array, a slice of raw,
// and reports whether there is one.
func RawElement(raw []byte, i int) (Raw, bool, error) {
	n, err := Count(raw)
	if err != nil || i < 0 || i >= n {
		return nil, false, err
	}
	r := newReader(raw)
	if _, err := r.head(); err != nil {
		return nil, false, err
	}
	for range i {
		if err := r.skip(); err != nil {
			return nil, false, err
		}
	}
	from := r.off
	if err := r.skip(); err != nil {
		return nil, false, err
	}
	return raw[from:r.off:r.off], true, nil
}

// Entry is Element for the value of a key in a map.
func Entry(raw []byte, name string, v reflect.Value) (bool, error) {
	p, err := decoders.of(v.Type())
	if err != nil {
		return false, err
	}
	n, err := Count(raw)
	if err != nil || n == 0 {
		return false, err
	}
	r := newReader(raw)
	if _, err := r.head(); err != nil {
		return false, err
	}
	for range n {
		key, err := r.key()
		if err != nil {
			return false, err
		}
		if string(key) == name {
			return true, p.decode(&r, v)
		}
		if err := r.skip(); err != nil {
			return false, err
		}
	}
	return false, nil
}
