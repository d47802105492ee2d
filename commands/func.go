package commands

import (
	"context"
	"reflect"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// Func registers a typed handler at path. In is a struct, or a pointer to one,
// with a field for each argument, named as in JSON; Out is any type that can be
// encoded. JSON Schemas of both become part of the command's [Description];
// [Input], [Output] and [Schemas] change nothing here.
//
// Named arguments go to the fields of their names; positional ones fill the
// fields in the order of declaration; a call may mix both. A field that is a
// pointer, or tagged omitempty or omitzero, may be left out. Before f runs, an
// argument that is unknown, missing, given twice, or does not fit its field
// without loss, is refused with INVALID_ARGUMENT, executed no, where handler;
// the message names it. Within structs in arguments the same rules hold.
//
// f learns who calls from [CallOf]. The errors of Func are those of
// [Tree.Handle], and INVALID_ARGUMENT for types that do not travel.
func Func[In, Out any](t *Tree, path string, f func(ctx context.Context, in In) (Out, error), opts ...Option) error {
	if f == nil {
		return Errorf(InvalidArgument, "command %s: the function is nil", quoted(path))
	}
	input, err := codec.NewInput(reflect.TypeFor[In]())
	if err != nil {
		return Errorf(InvalidArgument, "command %s: input: %v", quoted(path), err)
	}
	output, err := codec.NewOutput(reflect.TypeFor[Out]())
	if err != nil {
		return Errorf(InvalidArgument, "command %s: output: %v", quoted(path), err)
	}
	s := apply(opts)
	cmd, err := newCommand(path, s, func(ctx context.Context, c *Call) ([]byte, error) {
		run := &typedRun[In, Out]{callContext: callContext{ctx, c}}
		if err := input.Decode(c.RawArgs, c.RawKwargs, reflect.ValueOf(&run.in).Elem()); err != nil {
			return nil, problemError(InvalidArgument, "argument", err).DidNotRun()
		}
		out, err := f(&run.callContext, run.in)
		if err = realError(err); err != nil {
			return nil, err
		}
		run.out = out
		raw, err := run.encode(output)
		if err != nil {
			return nil, unsendableResult(err)
		}
		return raw, nil
	})
	if err != nil {
		return err
	}
	cmd.check = checkInput[In](input)
	cmd.description.setSchemas(input.Schema, output.Schema)
	return t.add(s, cmd)
}

// typedRun is what one call of a typed handler needs, in one piece.
type typedRun[In, Out any] struct {
	callContext
	in  In
	out Out
}

func (r *typedRun[In, Out]) encode(output *codec.Output) ([]byte, error) {
	if raw, ok := any(&r.out).(*Raw); ok {
		return codec.EncodeRaw(*raw)
	}
	return output.Encode(reflect.ValueOf(&r.out).Elem())
}

// callContext is the context of a typed handler, which knows its call.
type callContext struct {
	context.Context
	call *Call
}

// Value finds the call for CallOf.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}
