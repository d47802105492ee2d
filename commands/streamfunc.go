package commands

import (
	"context"
	"io"
	"iter"
	"reflect"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// ServerStream registers a typed command that answers with any number of
// values: those that the iterator yields, each sent as it comes. An error that
// it yields ends the call with that error, after the values before it.
//
// Arguments, options and errors are those of [Func]; arguments that are refused
// are so before f runs. The call must be made as a stream, else it is refused
// with FAILED_PRECONDITION, executed no. yield waits while the caller is slow,
// and returns false when the caller is gone; ctx ends then too, so that an
// iterator that waits for something else should watch it and return: a stream
// is CANCELLED or DEADLINE_EXCEEDED, never short, if its iterator returns after
// the end of ctx. A nil iterator yields nothing.
func ServerStream[In, Out any](t *Tree, path string, f func(ctx context.Context, in In) iter.Seq2[Out, error], opts ...Option) error {
	if f == nil {
		return Errorf(InvalidArgument, "command %s: the function is nil", quoted(path))
	}
	typed, err := typesOf[In, none, Out](path)
	if err != nil {
		return err
	}
	return typed.register(t, path, StreamsOutput, opts, func(ctx context.Context, in *In, s *Stream) ([]byte, error) {
		return typed.sendAll(s, f(ctx, *in))
	})
}

// ClientStream registers a typed command that takes any number of values from
// its caller and answers with one. Each item is checked as arguments are: the
// first that does not fit is yielded as an INVALID_ARGUMENT error that names it
// by its number from 0, and ends items; so does the end of the call, as
// CANCELLED or DEADLINE_EXCEEDED. Such an error is the outcome of the call also
// if f passes over it: what was counted from a part is no answer.
//
// items can be ranged over once. f may return before their end; the caller's
// further items are then dropped. For the rest see [ServerStream].
func ClientStream[In, Item, Out any](t *Tree, path string, f func(ctx context.Context, in In, items iter.Seq2[Item, error]) (Out, error), opts ...Option) error {
	if f == nil {
		return Errorf(InvalidArgument, "command %s: the function is nil", quoted(path))
	}
	typed, err := typesOf[In, Item, Out](path)
	if err != nil {
		return err
	}
	return typed.register(t, path, StreamsInput, opts, func(ctx context.Context, in *In, s *Stream) ([]byte, error) {
		out, err := f(ctx, *in, typed.items(s))
		if err = realError(err); err != nil {
			return nil, err
		}
		if bad := s.spoiled(); bad != nil {
			return nil, bad
		}
		raw, err := typed.out.Encode(reflect.ValueOf(&out).Elem())
		if err != nil {
			return nil, unsendableResult(err)
		}
		return raw, nil
	})
}

// BidiStream registers a typed command that takes and sends any number of
// values, in any order: it may answer each item, or read and send at the same
// time on two goroutines. See [ClientStream] for what comes and [ServerStream]
// for what goes.
func BidiStream[In, Item, Out any](t *Tree, path string, f func(ctx context.Context, in In, items iter.Seq2[Item, error]) iter.Seq2[Out, error], opts ...Option) error {
	if f == nil {
		return Errorf(InvalidArgument, "command %s: the function is nil", quoted(path))
	}
	typed, err := typesOf[In, Item, Out](path)
	if err != nil {
		return err
	}
	return typed.register(t, path, StreamsBoth, opts, func(ctx context.Context, in *In, s *Stream) ([]byte, error) {
		return typed.sendAll(s, f(ctx, *in, typed.items(s)))
	})
}

// none stands for the items of a command that takes none.
type none struct{}

// types is what a typed streaming command decodes and encodes.
type types[In, Item, Out any] struct {
	in   *codec.Input
	item *codec.Item
	out  *codec.Output
}

func typesOf[In, Item, Out any](path string) (ts types[In, Item, Out], err error) {
	if ts.in, err = codec.NewInput(reflect.TypeFor[In]()); err != nil {
		return ts, Errorf(InvalidArgument, "command %s: input: %v", quoted(path), err)
	}
	if ts.item, err = codec.NewItem(reflect.TypeFor[Item]()); err != nil {
		return ts, Errorf(InvalidArgument, "command %s: items: %v", quoted(path), err)
	}
	if ts.out, err = codec.NewOutput(reflect.TypeFor[Out]()); err != nil {
		return ts, Errorf(InvalidArgument, "command %s: output: %v", quoted(path), err)
	}
	return ts, nil
}

// register puts the command into the tree; run gets its checked arguments.
func (ts types[In, Item, Out]) register(t *Tree, path string, streams Streams, opts []Option, run func(context.Context, *In, *Stream) ([]byte, error)) error {
	s := apply(opts)
	cmd, err := newStreamCommand(path, s, streams, func(ctx context.Context, c *Call, st *Stream) ([]byte, error) {
		in := new(In)
		if err := ts.in.Decode(c.RawArgs, c.RawKwargs, reflect.ValueOf(in).Elem()); err != nil {
			return nil, problemError(InvalidArgument, "argument", err).DidNotRun()
		}
		if err := st.pipe.Open(); err != nil {
			return nil, st.over(err)
		}
		return run(context.WithValue(ctx, callKey{}, c), in, st)
	})
	if err != nil {
		return err
	}
	cmd.check = func(c *Call) error {
		return argumentError("argument", ts.in.Decode(c.RawArgs, c.RawKwargs, reflect.ValueOf(new(In)).Elem()))
	}
	ts.describe(&cmd.description)
	return t.add(s, cmd)
}

func (ts types[In, Item, Out]) describe(d *Description) {
	d.Arguments, d.Input = ts.in.Schema.PropertyOrder, ts.in.Schema
	if d.Streams == StreamsInput {
		d.Output = ts.out.Schema
	} else {
		d.Item = ts.out.Schema
	}
	if d.Streams != StreamsOutput {
		d.InputItem = ts.item.Schema
	}
}

// items yields what the caller sends. What ends it too soon spoils s.
func (ts types[In, Item, Out]) items(s *Stream) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for s.spoiled() == nil {
			item, err := ts.nextItem(s)
			if err == io.EOF || !yield(item, err) {
				return
			}
		}
	}
}

func (ts types[In, Item, Out]) nextItem(s *Stream) (item Item, err error) {
	raw, err := s.receive()
	if err != nil {
		return item, err
	}
	var got Item
	if err := ts.item.Decode(raw, reflect.ValueOf(&got).Elem()); err != nil {
		return item, s.spoil(problemError(InvalidArgument, s.itemName(), err))
	}
	return got, nil
}

// sendAll sends what the iterator yields, and returns the encoded nil that ends
// a call that went well.
func (ts types[In, Item, Out]) sendAll(s *Stream, values iter.Seq2[Out, error]) ([]byte, error) {
	if values == nil {
		values = func(func(Out, error) bool) {}
	}
	var failed error
	for v, err := range values {
		if failed = realError(err); failed == nil {
			failed = ts.send(s, &v)
		}
		if failed != nil {
			break
		}
	}
	if failed == nil {
		failed = s.spoiled()
	}
	if failed == nil && s.ctx.Err() != nil { // it may have ended for that
		failed = s.over(nil)
	}
	if failed != nil {
		return nil, failed
	}
	return codec.Encode(nil)
}

func (ts types[In, Item, Out]) send(s *Stream, v *Out) error {
	raw, err := ts.out.Encode(reflect.ValueOf(v).Elem())
	if err != nil {
		return s.unsendable(err)
	}
	return s.send(raw)
}
