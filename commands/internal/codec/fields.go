package codec

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is one field of a struct as it travels.
type field struct {
	name      string
	index     []int // as for reflect.Value.FieldByIndex
	typ       reflect.Type
	omitEmpty bool
	omitZero  bool
	doc       string // the jsonschema tag
	tagged    bool   // the name comes from a tag
	viaNil    bool   // it lies behind an embedded pointer, which may be nil
}

// optional reports whether the field may be left out.
func (f field) optional() bool {
	return f.omitEmpty || f.omitZero || f.viaNil || f.typ.Kind() == reflect.Pointer
}

// fieldsOf returns the fields of a struct in the order of declaration, with
// those of embedded structs in their place. It follows encoding/json in what
// is promoted and what hides what, but where JSON would drop two fields that
// claim one name, it refuses the type: nothing is lost silently.
func fieldsOf(t reflect.Type) ([]field, error) {
	found, err := collect(nil, t, nil, false, map[reflect.Type]bool{})
	if err != nil {
		return nil, err
	}
	byName := map[string][]field{}
	for _, f := range found {
		byName[f.name] = append(byName[f.name], f)
	}
	var out []field
	for _, f := range found {
		winner, err := dominant(t, byName[f.name])
		if err != nil {
			return nil, err
		}
		if slices.Equal(winner.index, f.index) {
			out = append(out, f)
		}
	}
	return out, nil
}

// dominant returns the field that wins a name: the least embedded one, and of
// several such the one with a tag.
func dominant(t reflect.Type, rivals []field) (field, error) {
	rank := func(a, b field) int {
		tag := 0
		if a.tagged != b.tagged {
			tag = 1
			if a.tagged {
				tag = -1
			}
		}
		return cmp.Or(cmp.Compare(len(a.index), len(b.index)), tag)
	}
	sorted := slices.SortedStableFunc(slices.Values(rivals), rank)
	if len(sorted) > 1 && rank(sorted[0], sorted[1]) == 0 {
		return field{}, unsupported(t, fmt.Sprintf("has two fields with the name %q", sorted[0].name))
	}
	return sorted[0], nil
}

// collect appends the fields of t, which lies at index, viaNil behind a pointer.
func collect(out []field, t reflect.Type, index []int, viaNil bool, inside map[reflect.Type]bool) ([]field, error) {
	if inside[t] { // an embedded type that embeds itself adds nothing new
		return out, nil
	}
	inside[t] = true
	defer delete(inside, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		if st, ok := promotes(sf, name); ok {
			var err error
			if out, err = collect(out, st, at, viaNil || sf.Type.Kind() == reflect.Pointer, inside); err != nil {
				return nil, err
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		opts := strings.Split(options, ",")
		f := field{
			name: cmp.Or(name, sf.Name), index: at, typ: sf.Type, tagged: name != "",
			omitEmpty: slices.Contains(opts, "omitempty"), omitZero: slices.Contains(opts, "omitzero"),
			doc: sf.Tag.Get("jsonschema"), viaNil: viaNil,
		}
		out = append(out, f)
	}
	return out, nil
}

// promotes reports whether the fields of sf count as fields of the struct that
// embeds it, and returns the struct type that has them.
func promotes(sf reflect.StructField, name string) (reflect.Type, bool) {
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !sf.Anonymous || name != "" || t.Kind() != reflect.Struct {
		return nil, false
	}
	return t, true
}
