package codec

import "reflect"

// structPlan is how a struct is decoded.
type structPlan struct {
	fields []fieldPlan
	byName map[string]int
}

// fieldPlan is how one field is decoded.
type fieldPlan struct {
	field
	plan *plan
}

func (c *compiler) structPlan(t reflect.Type) (*structPlan, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	s := &structPlan{byName: map[string]int{}}
	for i, f := range fields {
		if err := reachable(t, f.index); err != nil {
			return nil, err
		}
		p, err := c.part(f.typ)
		if err != nil {
			return nil, inField(f.name, err)
		}
		s.fields = append(s.fields, fieldPlan{f, p})
		s.byName[f.name] = i
	}
	return s, nil
}

// reachable refuses fields behind an embedded pointer that cannot be set.
func reachable(t reflect.Type, index []int) error {
	for _, i := range index[:len(index)-1] {
		sf := t.Field(i)
		t = sf.Type
		if t.Kind() == reflect.Pointer {
			if !sf.IsExported() {
				return unsupported(t, "is embedded by a pointer that is not exported and cannot be set")
			}
			t = t.Elem()
		}
	}
	return nil
}

// decode decodes the next value into the field of the struct v, making
// embedded structs as needed.
func (f *fieldPlan) decode(r *reader, v reflect.Value) error {
	if len(f.index) == 1 {
		return inField(f.name, f.plan.decode(r, v.Field(f.index[0])))
	}
	for n, i := range f.index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if err := r.charge(1, uint64(v.Type().Elem().Size())); err != nil {
					return err
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return inField(f.name, f.plan.decode(r, v))
}

func (c *compiler) decodeStruct(p *plan, t reflect.Type) error {
	s, err := c.structPlan(t)
	if err != nil {
		return err
	}
	p.want = "a map"
	p.decode = func(r *reader, v reflect.Value) error {
		h, err := r.head()
		if err != nil {
			return err
		}
		if h.kind != kindMap {
			return expected(p.want, h)
		}
		seen := makeSet(len(s.fields))
		if err := s.named(r, h.bits, v, &seen); err != nil {
			return err
		}
		if r.lenient {
			return nil
		}
		return s.complete(&seen)
	}
	return nil
}

// named decodes n pairs into the fields of v.
func (s *structPlan) named(r *reader, n uint64, v reflect.Value, seen *set) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	for range n {
		key, err := r.key()
		if err != nil {
			return err
		}
		i, ok := s.byName[string(key)]
		switch {
		case !ok && r.lenient:
			err = r.skip()
		case !ok:
			err = unknown(string(key))
		case !seen.add(i):
			err = twice(string(key))
		default:
			err = s.fields[i].decode(r, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete checks that every field that must be there was.
func (s *structPlan) complete(seen *set) error {
	for i := range s.fields {
		if f := &s.fields[i]; !f.optional() && !seen.has(i) {
			return missing(f.name, f.plan.want)
		}
	}
	return nil
}

// set is a set of field numbers.
type set struct {
	low  uint64   // 0 to 63
	high []uint64 // the others; nil for most structs
}

func makeSet(n int) set {
	if n <= 64 {
		return set{}
	}
	return set{high: make([]uint64, (n-1)/64)}
}

func (s *set) word(i int) *uint64 {
	if i < 64 {
		return &s.low
	}
	return &s.high[i/64-1]
}

// add reports whether i is new.
func (s *set) add(i int) bool {
	w, bit := s.word(i), uint64(1)<<(i%64)
	isNew := *w&bit == 0
	*w |= bit
	return isNew
}

func (s *set) has(i int) bool { return *s.word(i)&(1<<(i%64)) != 0 }
