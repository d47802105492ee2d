package codec

import (
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// Item decodes the values that a caller streams to a typed handler, by the
// rules of arguments: fields that are unknown or missing are refused.
type Item struct {
	Schema *jsonschema.Schema
	plan   *plan
}

// NewItem prepares t.
func NewItem(t reflect.Type) (*Item, error) {
	p, err := decoders.of(t)
	if err != nil {
		return nil, err
	}
	schema, err := Schema(t, true)
	if err != nil {
		return nil, err
	}
	return &Item{schema, p}, nil
}

// Decode decodes raw, which is exactly one value, into v.
func (it *Item) Decode(raw []byte, v reflect.Value) error {
	r := newReader(raw)
	if err := it.plan.decode(&r, v); err != nil {
		return err
	}
	return r.end()
}
