package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"time"
)

type (
	decodeFunc func(r *reader, v reflect.Value) error // v can be set
	encodeFunc func(w *writer, v reflect.Value) error
)

// plan is how values of one type are decoded or encoded. Of the two functions
// it has the one it was compiled for. Plans refer to each other by pointer, so
// a type may contain itself.
type plan struct {
	want   string // what is expected, for messages
	decode decodeFunc
	encode encodeFunc
}

// compiler makes plans and keeps them. There is one for each direction.
type compiler struct {
	done  sync.Map // reflect.Type → *plan, complete
	mu    sync.Mutex
	begun map[reflect.Type]*plan // under mu: not yet usable
	build func(*compiler, *plan, reflect.Type) error
}

var decoders, encoders compiler

func init() { // not in the declarations: plans refer back to the compilers
	decoders.build, encoders.build = buildDecoder, buildEncoder
}

// of returns the plan for t, or says why values of t do not travel.
func (c *compiler) of(t reflect.Type) (*plan, error) {
	if p, ok := c.done.Load(t); ok {
		return p.(*plan), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = map[reflect.Type]*plan{}
	defer func() { c.begun = nil }()
	p, err := c.part(t)
	if err != nil {
		return nil, err
	}
	for t, p := range c.begun {
		c.done.Store(t, p)
	}
	return p, nil
}

// part returns the plan for t, which may be unfinished, while one is compiled.
func (c *compiler) part(t reflect.Type) (*plan, error) {
	if p, ok := c.done.Load(t); ok {
		return p.(*plan), nil
	}
	if p, ok := c.begun[t]; ok {
		return p, nil
	}
	p := &plan{}
	c.begun[t] = p
	if err := c.build(c, p, t); err != nil {
		return nil, err
	}
	return p, nil
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	numberType   = reflect.TypeFor[json.Number]()
	rawType      = reflect.TypeFor[Raw]()
	errorType    = reflect.TypeFor[error]()

	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Raw is a value that is encoded already. It must hold exactly one msgpack
// value; nil stands for the value nil.
type Raw []byte

// form is how a type travels where its kind does not say it.
type form uint8

const (
	formKind     form = iota // as its kind says
	formTime                 // the timestamp extension
	formDuration             // integer nanoseconds
	formNumber               // json.Number
	formRaw                  // Raw
	formText                 // by its text methods
	formJSON                 // by its JSON methods
	formBytes                // bin
)

// formOf returns the form of t, where in and out are the two method sets that
// count: those of encoding, or those of decoding.
func formOf(t, jsonMethods, textMethods reflect.Type) form {
	switch t {
	case timeType:
		return formTime
	case durationType:
		return formDuration
	case numberType:
		return formNumber
	case rawType:
		return formRaw
	case reflect.TypeFor[big.Int](), reflect.TypeFor[big.Rat](), reflect.TypeFor[big.Float]():
		return formText // their JSON is a number that few can read exactly
	}
	switch {
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface:
		return formKind // the methods are found at what it points to
	case hasMethods(t, jsonMethods):
		return formJSON
	case hasMethods(t, textMethods):
		return formText
	case isBytes(t):
		return formBytes
	}
	return formKind
}

func encodeForm(t reflect.Type) form { return formOf(t, jsonMarshaler, textMarshaler) }
func decodeForm(t reflect.Type) form { return formOf(t, jsonUnmarshaler, textUnmarshaler) }

func hasMethods(t, methods reflect.Type) bool {
	return t.Implements(methods) || reflect.PointerTo(t).Implements(methods)
}

// isBytes reports slices and arrays of plain bytes.
func isBytes(t reflect.Type) bool {
	if k := t.Kind(); k != reflect.Slice && k != reflect.Array {
		return false
	}
	e := t.Elem()
	return e.Kind() == reflect.Uint8 && !hasMethods(e, jsonMarshaler) && !hasMethods(e, textMarshaler)
}

// unsupported is the reason why a type does not travel.
func unsupported(t reflect.Type, why string) error {
	return problemf("the type %v %s", t, why)
}

// ofValue calls a method set on v or, where only its pointer has it, on a copy.
func ofValue[M any](v reflect.Value) M {
	if m, ok := v.Interface().(M); ok {
		return m
	}
	if !v.CanAddr() {
		copied := reflect.New(v.Type())
		copied.Elem().Set(v)
		v = copied.Elem()
	}
	m, ok := v.Addr().Interface().(M)
	if !ok { // the plan was compiled for a type that has the methods
		panic(fmt.Sprintf("codec: %v lost its methods", v.Type()))
	}
	return m
}
