package commands

import (
	"context"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// StreamHandler is the plain form of a streaming command: it sends and receives
// values on s while it runs. What it returns ends the call: a last value, nil as
// a rule, or an error as for a [Handler].
type StreamHandler func(ctx context.Context, c *Call, s *Stream) (any, error)

// HandleStream registers h at path, under the rules of [Tree.Handle]. The caller
// learns that the call has begun when h starts. A call that is not made as a
// stream is refused with FAILED_PRECONDITION, executed no, before h runs.
func (t *Tree) HandleStream(path string, h StreamHandler, opts ...Option) error {
	s := apply(opts)
	cmd, err := plainStreamCommand(path, h, s)
	if err != nil {
		return err
	}
	return t.add(s, cmd)
}

// plainStreamCommand makes the command of a plain streaming handler.
func plainStreamCommand(path string, h StreamHandler, s settings) (*Command, error) {
	if h == nil {
		return nil, Errorf(InvalidArgument, "command %s: the handler is nil", quoted(path))
	}
	return newStreamCommand(path, s, StreamsBoth, func(ctx context.Context, c *Call, st *Stream) ([]byte, error) {
		if err := st.pipe.Open(); err != nil {
			return nil, st.over(err)
		}
		v, err := h(ctx, c, st)
		if err = realError(err); err != nil {
			return nil, err
		}
		raw, err := codec.Encode(v)
		if err != nil {
			return nil, unsendableResult(err)
		}
		return raw, nil
	})
}

// newStreamCommand makes a command that runs only with a stream. Its context
// ends with the command, so that nothing it left behind waits on the stream.
func newStreamCommand(path string, s settings, streams Streams, run func(context.Context, *Call, *Stream) ([]byte, error)) (*Command, error) {
	cmd, err := newCommand(path, s, nil)
	if err != nil {
		return nil, err
	}
	cmd.description.Streams, cmd.description.Inline = streams, false // it waits for its peer
	cmd.run = func(ctx context.Context, c *Call) ([]byte, error) {
		if c.Pipe == nil {
			return nil, notStreamed(cmd)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return run(ctx, c, newStream(ctx, cancel, cmd, c))
	}
	return cmd, nil
}

// notStreamed refuses a call that was not made as a stream. Details tell a
// program what to do.
func notStreamed(cmd *Command) *Error {
	e := Errorf(FailedPrecondition, "command %q streams values (%s): call it as a stream", cmd.path, cmd.description.Streams)
	e.Details = map[string]any{"streams": string(cmd.description.Streams)}
	return e.DidNotRun()
}
