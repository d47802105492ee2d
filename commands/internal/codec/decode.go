package codec

import (
	"fmt"
	"reflect"
)

// Decode decodes raw, which is exactly one value, into the variable that to
// points to. Unknown fields of structs are passed over, so that whoever sends
// a value may add to it. On an error, which is a *Problem, what to points to
// may be half set.
func Decode(raw []byte, to any) error {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return problemf("a value is decoded into a pointer that is not nil, not into a %T", to)
	}
	p, err := decoders.of(v.Type().Elem())
	if err != nil {
		return err
	}
	r := newReader(raw)
	r.lenient = true
	if err := p.decode(&r, v.Elem()); err != nil {
		return err
	}
	return r.end()
}

// buildDecoder fills p for t.
func buildDecoder(c *compiler, p *plan, t reflect.Type) (err error) {
	if special := specialDecoders[decodeForm(t)]; special != nil {
		p.decode, p.want = special(t)
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		p.decode, p.want = decodeBool, "a boolean"
	case reflect.String:
		p.decode, p.want = decodeString, "text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.decode, p.want = decodeInt(t)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.decode, p.want = decodeUint(t)
	case reflect.Float32, reflect.Float64:
		p.decode, p.want = decodeFloat(t)
	case reflect.Pointer:
		err = c.pointer(p, t)
	case reflect.Slice:
		err = c.slice(p, t)
	case reflect.Array:
		err = c.array(p, t)
	case reflect.Map:
		err = c.decodeMap(p, t)
	case reflect.Struct:
		err = c.decodeStruct(p, t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return unsupported(t, "cannot be decoded: nothing says which type is behind the interface")
		}
		p.decode, p.want = decodeAny, "any value"
	default:
		return unsupported(t, "does not travel")
	}
	return err
}

func decodeBool(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	if h.kind != kindBool {
		return expected("a boolean", h)
	}
	v.SetBool(h.bits == 1)
	return nil
}

func decodeString(r *reader, v reflect.Value) error {
	h, err := r.head()
	if err != nil {
		return err
	}
	if h.kind != kindStr {
		return expected("text", h)
	}
	if err := r.charge(h.bits, 1); err != nil {
		return err
	}
	v.SetString(string(h.data))
	return nil
}

func decodeAny(r *reader, v reflect.Value) error {
	x, err := r.any()
	switch {
	case err != nil:
		return err
	case x == nil:
		v.SetZero()
	default:
		v.Set(reflect.ValueOf(x))
	}
	return nil
}

// nextIsNil consumes the next value if it is nil.
func (r *reader) nextIsNil() bool {
	if r.off < len(r.in) && r.in[r.off] == 0xc0 {
		r.off++
		return true
	}
	return false
}

// notEndless refuses a pointer type that points to pointers for ever: its
// values could nest without a byte of input.
func notEndless(t reflect.Type) error {
	for range 8 {
		if t.Kind() != reflect.Pointer {
			return nil
		}
		t = t.Elem()
	}
	return unsupported(t, "is a pointer to pointers without end")
}

func (c *compiler) pointer(p *plan, t reflect.Type) error {
	if err := notEndless(t); err != nil {
		return err
	}
	elem, err := c.part(t.Elem())
	if err != nil {
		return err
	}
	size := uint64(t.Elem().Size())
	p.want = elem.want + " or nil"
	p.decode = func(r *reader, v reflect.Value) error {
		if r.nextIsNil() {
			v.SetZero()
			return nil
		}
		if err := r.charge(1, size); err != nil {
			return err
		}
		made := reflect.New(t.Elem())
		if err := elem.decode(r, made.Elem()); err != nil {
			return err
		}
		v.Set(made)
		return nil
	}
	return nil
}

func (c *compiler) slice(p *plan, t reflect.Type) error {
	elem, err := c.part(t.Elem())
	if err != nil {
		return below("[]", err)
	}
	size := uint64(t.Elem().Size())
	p.want = "an array"
	p.decode = func(r *reader, v reflect.Value) error {
		if r.nextIsNil() {
			v.SetZero()
			return nil
		}
		h, err := r.head()
		if err != nil {
			return err
		}
		if h.kind != kindArray {
			return expected(p.want, h)
		}
		if err := r.charge(h.bits, size); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(t, int(h.bits), int(h.bits)))
		return r.elements(elem, v)
	}
	return nil
}

func (c *compiler) array(p *plan, t reflect.Type) error {
	elem, err := c.part(t.Elem())
	if err != nil {
		return below("[]", err)
	}
	p.want = fmt.Sprintf("an array of %d", t.Len())
	p.decode = func(r *reader, v reflect.Value) error {
		h, err := r.head()
		if err != nil {
			return err
		}
		if h.kind != kindArray || h.bits != uint64(t.Len()) {
			return expected(p.want, h)
		}
		return r.elements(elem, v)
	}
	return nil
}

// elements decodes as many values as v is long.
func (r *reader) elements(elem *plan, v reflect.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	for i := range v.Len() {
		if err := elem.decode(r, v.Index(i)); err != nil {
			return inElement(i, err)
		}
	}
	return nil
}
