package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/items"
)

// Next stores the next value in the variable that v points to. It returns
// io.EOF, unwrapped, after the last value of a stream that ended well, and else
// how the stream ended, after the values that came before that. A value that
// does not fit is an INTERNAL error that names it by its number from 0; the next
// one may be read after it.
func (s *Stream) Next(v any) error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	raw, err := s.next()
	if err != nil {
		return err
	}
	if err := commands.DecodeValue(raw, v); err != nil {
		return misfit(s.in.Count()-1, err)
	}
	return nil
}

// misfit says which value it was that does not fit.
func misfit(number int, err error) error {
	var e *commands.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Message = fmt.Sprintf("item %d: %s", number, e.Message)
	named.Hint = "the answer has another type than the caller expects"
	return &named
}

// next is the next value encoded. Callers hold receiving.
func (s *Stream) next() ([]byte, error) {
	<-s.begun
	if s.in == nil {
		return nil, s.err
	}
	raw, err := s.in.Next(nil)
	if err == nil {
		return raw, nil
	}
	var (
		told   *commands.Error
		format *items.FormatError
	)
	switch {
	case errors.As(err, &told): // the callee's own trouble, of whatever kind
	case errors.As(err, &format):
		s.cancel(callError(commands.Internal, commands.ExecutedYes, commands.WherePath, format, "the other node may be of another version"))
	case errors.Is(err, items.ErrNoMemory):
		s.cancel(callError(commands.ResourceExhausted, commands.ExecutedYes, commands.WhereCaller,
			fmt.Errorf("item %d: %w", s.in.Count(), err), "raise Limits.StreamBytes, or read fewer streams at once"))
	}
	<-s.ended
	if s.err != nil {
		return nil, s.err
	}
	return nil, err
}

// Values yields the values as they come, as plain Go values (see
// [Reply.Value]), to the end of the stream. When that was no good end, the error
// is yielded last. Breaking out of the loop closes the stream. A value is
// yielded once, over all loops together.
func (s *Stream) Values() iter.Seq2[any, error] { return Values[any](s) }

// Values yields the values of a stream as they come, decoded into T; one that
// does not fit ends and closes the stream with an INTERNAL error that names it.
// For the rest see [Stream.Values].
func Values[T any](s *Stream) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer s.Close() // also when the loop's body panics
		for {
			var v T
			err := s.Next(&v)
			if err == io.EOF {
				return
			}
			if err != nil {
				v = *new(T) // not half a value
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// SendAll sends every value, and tells the handler that no more come. It ends
// early, with the error of [Stream.Send], when one could not be sent; if the
// stream has ended, Result says why.
func SendAll[T any](s *Stream, values iter.Seq[T]) error {
	for v := range values {
		if err := s.Send(v); err != nil {
			return err
		}
	}
	return s.CloseSend()
}

// InvokeStream calls a typed command that answers with a stream, and yields its
// values: in is a struct whose fields are the named arguments, as for [Invoke].
// Each loop over it is a call of its own, which breaking out of the loop
// cancels. An error is yielded last; errors are those of [Node.Stream].
func InvokeStream[Out any](ctx context.Context, n *Node, target, path string, in any, opts ...CallOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		req, err := prepareInput(path, in, opts)
		Values[Out](n.stream(ctx, target, req, err))(yield)
	}
}
