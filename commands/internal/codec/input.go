package codec

import (
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// Input decodes the arguments of a typed handler into its struct.
type Input struct {
	Schema *jsonschema.Schema // of the named arguments
	typ    reflect.Type
	plan   *structPlan
}

// NewInput prepares t, which must be a struct or a pointer to one.
func NewInput(t reflect.Type) (*Input, error) {
	st := t
	if t.Kind() == reflect.Pointer {
		st = t.Elem()
	}
	if st.Kind() != reflect.Struct || decodeForm(st) != formKind {
		return nil, unsupported(t, "cannot take arguments: use a struct with a field for each")
	}
	if _, err := decoders.of(st); err != nil {
		return nil, err
	}
	plan, err := decoders.structPlan(st)
	if err != nil {
		return nil, err
	}
	schema, err := Schema(st, true)
	if err != nil {
		return nil, err
	}
	return &Input{schema, t, plan}, nil
}

// Decode decodes an array of positional arguments, which fill the fields in
// the order of their declaration, and a map of named ones. Either may be nil.
// Unknown, missing and doubly given arguments are refused.
func (in *Input) Decode(args, kwargs []byte, v reflect.Value) error {
	if in.typ.Kind() == reflect.Pointer {
		v.Set(reflect.New(in.typ.Elem()))
		v = v.Elem()
	}
	seen := makeSet(len(in.plan.fields))
	if err := in.positional(args, v, &seen); err != nil {
		return err
	}
	if len(kwargs) > 0 {
		r := newReader(kwargs)
		h, err := r.head()
		if err != nil {
			return err
		}
		if h.kind != kindMap {
			return problemf("the named arguments are not a map")
		}
		if err := in.plan.named(&r, h.bits, v, &seen); err != nil {
			return err
		}
		if err := r.end(); err != nil {
			return err
		}
	}
	return in.plan.complete(&seen)
}

func (in *Input) positional(args []byte, v reflect.Value, seen *set) error {
	if len(args) == 0 {
		return nil
	}
	r := newReader(args)
	h, err := r.head()
	if err != nil {
		return err
	}
	if h.kind != kindArray {
		return problemf("the arguments are not an array")
	}
	if h.bits > uint64(len(in.plan.fields)) {
		return problemf("takes at most %d, got %d", len(in.plan.fields), h.bits)
	}
	if err := r.enter(); err != nil {
		return err
	}
	for i := range int(h.bits) {
		seen.add(i)
		if err := in.plan.fields[i].decode(&r, v); err != nil {
			return err
		}
	}
	return r.end()
}

// Output encodes the values of a typed handler.
type Output struct {
	Schema *jsonschema.Schema
	plan   *plan
}

// NewOutput prepares t.
func NewOutput(t reflect.Type) (*Output, error) {
	p, err := encoders.of(t)
	if err != nil {
		return nil, err
	}
	schema, err := Schema(t, false)
	if err != nil {
		return nil, err
	}
	return &Output{schema, p}, nil
}

// Encode is the function [Encode] for a value of the type prepared.
func (o *Output) Encode(v reflect.Value) ([]byte, error) {
	w := begin(nil)
	return w.end(nil, o.plan.encode(w, v))
}
