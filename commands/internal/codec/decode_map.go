package codec

import (
	"reflect"
	"strconv"
)

func (c *compiler) decodeMap(p *plan, t reflect.Type) error {
	toKey, err := keyDecoder(t.Key())
	if err != nil {
		return err
	}
	elem, err := c.part(t.Elem())
	if err != nil {
		return below("[]", err)
	}
	const table = 16 // what a map's table takes per entry beyond key and value
	size := uint64(t.Key().Size()+t.Elem().Size()) + table
	p.want = "a map"
	p.decode = func(r *reader, v reflect.Value) error {
		if r.nextIsNil() {
			v.SetZero()
			return nil
		}
		h, err := r.head()
		if err != nil {
			return err
		}
		if h.kind != kindMap {
			return expected(p.want, h)
		}
		if err := r.charge(h.bits, size); err != nil {
			return err
		}
		v.Set(reflect.MakeMapWithSize(t, int(h.bits)))
		return r.entries(h.bits, v, toKey, elem)
	}
	return nil
}

// entries decodes n pairs into the map v.
func (r *reader) entries(n uint64, v reflect.Value, toKey keyFunc, elem *plan) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	t := v.Type()
	for range n {
		name, err := r.key()
		if err != nil {
			return err
		}
		key := reflect.New(t.Key()).Elem()
		if err := toKey(name, key); err != nil {
			return inField(string(name), err)
		}
		if v.MapIndex(key).IsValid() {
			return twice(string(name))
		}
		value := reflect.New(t.Elem()).Elem()
		if err := elem.decode(r, value); err != nil {
			return inField(string(name), err)
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

// keyFunc sets a map key from its name.
type keyFunc func(name []byte, key reflect.Value) error

func keyDecoder(t reflect.Type) (keyFunc, error) {
	switch {
	case t.Kind() == reflect.String && !hasMethods(t, textUnmarshaler):
		return func(name []byte, key reflect.Value) error { key.SetString(string(name)); return nil }, nil
	case hasMethods(t, textUnmarshaler):
		return unmarshalText, nil
	case reflect.Zero(t).CanInt():
		return func(name []byte, key reflect.Value) error {
			n, err := strconv.ParseInt(string(name), 10, t.Bits())
			if err != nil || strconv.FormatInt(n, 10) != string(name) {
				return problemf("expected an integer of %d bits as the key", t.Bits())
			}
			key.SetInt(n)
			return nil
		}, nil
	case reflect.Zero(t).CanUint():
		return func(name []byte, key reflect.Value) error {
			n, err := strconv.ParseUint(string(name), 10, t.Bits())
			if err != nil || strconv.FormatUint(n, 10) != string(name) {
				return problemf("expected an integer of %d bits without sign as the key", t.Bits())
			}
			key.SetUint(n)
			return nil
		}, nil
	}
	return nil, unsupported(t, "cannot be the key of a map: keys are texts or integers")
}
