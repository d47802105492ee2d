package commands

import (
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// schemas is what options say about the arguments and the value of a plain
// handler.
type schemas struct {
	input, output *jsonschema.Schema
	check         func(*Call) error // nil accepts all arguments
	err           error             // of a type that does not travel
}

// Input says that a plain handler takes the arguments of T, a struct as for
// [Func]. They become part of the command's [Description], and calls whose
// arguments do not fit are refused as by Func, before the handler runs. The
// handler takes them from the call as ever. A T that does not travel is an
// INVALID_ARGUMENT of the registration.
func Input[T any]() Option {
	return func(s *settings) {
		input, err := codec.NewInput(reflect.TypeFor[T]())
		if err != nil {
			s.schemas.err = fmt.Errorf("input: %w", err)
			return
		}
		s.schemas.input, s.schemas.check = input.Schema, checkInput[T](input)
	}
}

// Output says that a plain handler returns values of the form of T, which
// becomes part of the command's [Description]. What it returns is not checked.
func Output[T any]() Option {
	return func(s *settings) {
		output, err := codec.NewOutput(reflect.TypeFor[T]())
		if err != nil {
			s.schemas.err = fmt.Errorf("output: %w", err)
			return
		}
		s.schemas.output = output.Schema
	}
}

// Schemas describes a plain handler whose arguments and value no Go type tells,
// by JSON Schemas; nil leaves one out. They only inform callers: the handler
// checks its arguments itself, since not every value that travels has a form in
// JSON. The schemas must not be changed any more. The input's PropertyOrder names
// the arguments in the order in which positional ones fill them.
func Schemas(input, output *jsonschema.Schema) Option {
	return func(s *settings) { s.schemas = schemas{input: input, output: output} }
}

// checkInput makes the check whether the arguments of a call are those of T.
func checkInput[T any](input *codec.Input) func(*Call) error {
	return func(c *Call) error {
		err := input.Decode(c.RawArgs, c.RawKwargs, reflect.ValueOf(new(T)).Elem())
		if err == nil {
			return nil
		}
		return problemError(InvalidArgument, "argument", err).DidNotRun()
	}
}

func (d *Description) setSchemas(input, output *jsonschema.Schema) {
	d.Input, d.Output = input, output
	if input != nil {
		d.Arguments = input.PropertyOrder
	}
}
