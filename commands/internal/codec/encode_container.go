package codec

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fernmesh/fernmesh/internal/wire"
)

func (w *writer) anyArray(a []any) error {
	if a == nil {
		w.null()
		return nil
	}
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	w.out = wire.AppendArray(w.out, len(a))
	for i, v := range a {
		if err := w.value(v); err != nil {
			return inElement(i, err)
		}
	}
	return nil
}

func (w *writer) anyMap(m map[string]any) error {
	if m == nil {
		w.null()
		return nil
	}
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	w.out = wire.AppendMap(w.out, len(m))
	var few [16]string // most maps need no allocation
	keys := slices.AppendSeq(few[:0], maps.Keys(m))
	slices.Sort(keys)
	for _, k := range keys {
		if err := w.string(k); err != nil {
			return err
		}
		if err := w.value(m[k]); err != nil {
			return inField(k, err)
		}
	}
	return nil
}

func (c *compiler) encodePointer(p *plan, t reflect.Type) error {
	if err := notEndless(t); err != nil {
		return err
	}
	elem, err := c.part(t.Elem())
	if err != nil {
		return err
	}
	inCycle := t.Elem().Kind() == reflect.Interface
	p.encode = func(w *writer, v reflect.Value) error {
		if v.IsNil() {
			w.null()
			return nil
		}
		if inCycle { // a pointer to an interface may hold itself
			if err := w.enter(); err != nil {
				return err
			}
			defer w.leave()
		}
		return elem.encode(w, v.Elem())
	}
	return nil
}

func (c *compiler) encodeList(p *plan, t reflect.Type) error {
	elem, err := c.part(t.Elem())
	if err != nil {
		return below("[]", err)
	}
	p.encode = func(w *writer, v reflect.Value) error {
		if t.Kind() == reflect.Slice && v.IsNil() {
			w.null()
			return nil
		}
		if err := w.enter(); err != nil {
			return err
		}
		defer w.leave()
		w.out = wire.AppendArray(w.out, v.Len())
		for i := range v.Len() {
			if err := elem.encode(w, v.Index(i)); err != nil {
				return inElement(i, err)
			}
		}
		return nil
	}
	return nil
}

func (c *compiler) encodeMap(p *plan, t reflect.Type) error {
	nameOf, err := keyEncoder(t.Key())
	if err != nil {
		return err
	}
	elem, err := c.part(t.Elem())
	if err != nil {
		return below("[]", err)
	}
	p.encode = func(w *writer, v reflect.Value) error {
		if v.IsNil() {
			w.null()
			return nil
		}
		pairs, err := sortedPairs(v, nameOf)
		if err != nil {
			return err
		}
		if err := w.enter(); err != nil {
			return err
		}
		defer w.leave()
		w.out = wire.AppendMap(w.out, len(pairs))
		for _, pair := range pairs {
			if err := w.string(pair.name); err != nil {
				return err
			}
			if err := elem.encode(w, pair.value); err != nil {
				return inField(pair.name, err)
			}
		}
		return nil
	}
	return nil
}

// pair is an entry of a map.
type pair struct {
	name  string
	value reflect.Value
}

// sortedPairs returns the entries of m by name. Two keys of one name are refused.
func sortedPairs(m reflect.Value, nameOf func(reflect.Value) (string, error)) ([]pair, error) {
	pairs := make([]pair, 0, m.Len())
	for it := m.MapRange(); it.Next(); {
		name, err := nameOf(it.Key())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{name, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	for i := range pairs {
		if i > 0 && pairs[i].name == pairs[i-1].name {
			return nil, twice(pairs[i].name)
		}
	}
	return pairs, nil
}

func keyEncoder(t reflect.Type) (func(reflect.Value) (string, error), error) {
	switch {
	case t.Kind() == reflect.String: // as in JSON, before its text methods
		return func(key reflect.Value) (string, error) { return key.String(), nil }, nil
	case hasMethods(t, textMarshaler):
		return func(key reflect.Value) (string, error) {
			if key.Kind() == reflect.Pointer && key.IsNil() {
				return "", problemf("a map key that is nil")
			}
			b, err := ofValue[encoding.TextMarshaler](key).MarshalText()
			if err != nil {
				return "", problemf("%v", err)
			}
			return string(b), nil
		}, nil
	case reflect.Zero(t).CanInt():
		return func(key reflect.Value) (string, error) { return strconv.FormatInt(key.Int(), 10), nil }, nil
	case reflect.Zero(t).CanUint():
		return func(key reflect.Value) (string, error) { return strconv.FormatUint(key.Uint(), 10), nil }, nil
	}
	return nil, unsupported(t, "cannot be the key of a map: keys are texts or integers")
}
