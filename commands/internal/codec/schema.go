package codec

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema describes values of t as they look in JSON: as they are accepted if
// decoded, else as they are sent. Scalars are described by the jsonschema
// package; what belongs to our own rules (fields, optional ones, types with a
// form of their own, types that contain themselves) is described here, so that
// schema and codec cannot disagree.
//
// There is one schema of a type, which everybody shares and nobody may change:
// a thousand commands of one form would else keep a thousand copies.
func Schema(t reflect.Type, decoded bool) (*jsonschema.Schema, error) {
	key := schemaKey{t, decoded}
	if made, ok := made.Load(key); ok {
		return made.(*jsonschema.Schema), nil
	}
	schema, err := makeSchema(t, decoded)
	if err != nil {
		return nil, err
	}
	first, _ := made.LoadOrStore(key, schema)
	return first.(*jsonschema.Schema), nil
}

type schemaKey struct {
	typ     reflect.Type
	decoded bool
}

// made has the schemas of the program's types, a fixed number of them.
var made sync.Map

func makeSchema(t reflect.Type, decoded bool) (*jsonschema.Schema, error) {
	s := schemas{decoded: decoded, names: map[reflect.Type]string{}, defs: map[string]*jsonschema.Schema{}}
	root, err := s.of(t)
	if err != nil {
		return nil, err
	}
	if len(s.defs) > 0 {
		root.Defs = s.defs
	}
	return root, nil
}

// schemas makes the schema of one type.
type schemas struct {
	decoded bool
	inside  []reflect.Type          // the types that are being described
	names   map[reflect.Type]string // of types that contain themselves, in defs
	defs    map[string]*jsonschema.Schema
}

func (s *schemas) of(t reflect.Type) (*jsonschema.Schema, error) {
	for _, outer := range s.inside {
		if outer == t {
			return s.reference(t), nil
		}
	}
	s.inside = append(s.inside, t)
	out, err := s.describe(t)
	s.inside = s.inside[:len(s.inside)-1]
	if err != nil {
		return nil, err
	}
	if name, ok := s.names[t]; ok && s.defs[name] == nil {
		s.defs[name] = out
		return s.reference(t), nil
	}
	return out, nil
}

// reference refers to a type that contains itself.
func (s *schemas) reference(t reflect.Type) *jsonschema.Schema {
	name, ok := s.names[t]
	if !ok {
		name = fmt.Sprintf("%s%d", strings.Map(onlyLetters, t.Name()), len(s.names)+1)
		s.names[t] = name
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + name}
}

func onlyLetters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}

func (s *schemas) describe(t reflect.Type) (*jsonschema.Schema, error) {
	if special := s.special(t); special != nil {
		return special, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		elem, err := s.of(t.Elem())
		return orNull(elem), err
	case reflect.Slice:
		elem, err := s.of(t.Elem())
		return &jsonschema.Schema{Types: []string{"null", "array"}, Items: elem}, err
	case reflect.Array:
		elem, err := s.of(t.Elem())
		n := t.Len()
		return &jsonschema.Schema{Type: "array", Items: elem, MinItems: &n, MaxItems: &n}, err
	case reflect.Map:
		elem, err := s.of(t.Elem())
		return &jsonschema.Schema{Types: []string{"null", "object"}, AdditionalProperties: elem}, err
	case reflect.Interface:
		return &jsonschema.Schema{}, nil
	case reflect.Struct:
		return s.object(t)
	}
	return jsonschema.ForType(t, nil)
}

// special describes a type that does not travel by its kind.
func (s *schemas) special(t reflect.Type) *jsonschema.Schema {
	f := encodeForm(t)
	if s.decoded {
		f = decodeForm(t)
	}
	switch f {
	case formTime:
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case formDuration:
		if s.decoded {
			return &jsonschema.Schema{Types: []string{"integer", "string"}, Description: `nanoseconds, or text such as "1.5s"`}
		}
		return &jsonschema.Schema{Type: "integer", Description: "nanoseconds"}
	case formNumber:
		return &jsonschema.Schema{Type: "number"}
	case formRaw, formJSON:
		return &jsonschema.Schema{}
	case formText:
		if s.decoded && reflect.PointerTo(t).Implements(jsonUnmarshaler) {
			return &jsonschema.Schema{Types: []string{"string", "number"}} // math/big
		}
		return &jsonschema.Schema{Type: "string"}
	case formBytes:
		out := &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
		if t.Kind() == reflect.Slice {
			return orNull(out)
		}
		return out
	}
	return nil
}

func (s *schemas) object(t reflect.Type) (*jsonschema.Schema, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	out := &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}, // none
	}
	for _, f := range fields {
		fs, err := s.of(f.typ)
		if err != nil {
			return nil, inField(f.name, err)
		}
		if f.doc != "" {
			fs.Description = f.doc
		}
		out.Properties[f.name] = fs
		out.PropertyOrder = append(out.PropertyOrder, f.name)
		// A pointer may be left out by a caller, but is always sent.
		if !f.omitEmpty && !f.omitZero && !f.viaNil && !(s.decoded && f.optional()) {
			out.Required = append(out.Required, f.name)
		}
	}
	return out, nil
}

// orNull adds nil to what s allows.
func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case s == nil:
	case s.Ref != "":
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "null"}, s}}
	case s.Type != "":
		s.Types, s.Type = []string{"null", s.Type}, ""
	case s.Types != nil && s.Types[0] != "null":
		s.Types = append([]string{"null"}, s.Types...)
	}
	return s
}
