package commands

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"sync"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
	"github.com/fernmesh/fernmesh/internal/items"
)

// Streams says which way a command streams values beside its arguments and its
// value. The zero value is a command that does not.
type Streams string

// The directions, as the handler's side sees them.
const (
	StreamsOutput Streams = "output" // the command sends values
	StreamsInput  Streams = "input"  // the caller sends values
	StreamsBoth   Streams = "both"
)

// Stream is the values of one streaming call, both ways, as its handler sees
// them. One goroutine may send while another receives. It ends with the call:
// when the handler returns, when the caller cancels, when its link is lost or
// its deadline passes; the handler's context ends then too.
type Stream struct {
	ctx  context.Context
	stop context.CancelFunc // of ctx
	pipe Pipe
	in   *items.Reader
	sent int

	mu  sync.Mutex
	bad error // what ended the receiving too soon; set once, by whoever receives
}

func newStream(ctx context.Context, stop context.CancelFunc, cmd *Command, c *Call) *Stream {
	return &Stream{ctx: ctx, stop: stop, pipe: c.Pipe, in: items.NewReader(c.Pipe, cmd.memory)}
}

// Send sends one value, anything that [EncodeValue] accepts, at most 64 MiB.
// It waits while the caller is slow, so memory stays bounded. An error means
// that no more can be sent: a handler should clean up and return it. It is
// CANCELLED or DEADLINE_EXCEEDED when the call is over, INTERNAL or
// RESOURCE_EXHAUSTED for a value that cannot be sent.
func (s *Stream) Send(v any) error {
	raw, err := codec.Encode(v)
	if err != nil {
		return s.unsendable(err)
	}
	return s.send(raw)
}

func (s *Stream) send(raw []byte) error {
	if err := items.Write(s.pipe, s.ctx.Done(), raw); err != nil {
		return s.over(err)
	}
	s.sent++
	return nil
}

func (s *Stream) unsendable(err error) *Error {
	return problemError(Internal, "item "+strconv.Itoa(s.sent)+" cannot be sent: value", err)
}

// Receive stores the caller's next value in the variable that v points to, by
// the rules of [DecodeValue]. It returns io.EOF, unwrapped, when the caller has
// ended its values; INVALID_ARGUMENT, naming the item by its number from 0,
// for one that does not fit, after which the next may be received; and
// CANCELLED or DEADLINE_EXCEEDED when the call is over.
func (s *Stream) Receive(v any) error {
	raw, err := s.receive()
	if err != nil {
		return err
	}
	return argumentError(s.itemName(), codec.Decode(raw, v))
}

// Values yields the caller's values, decoded as [DecodeValue] does into an
// interface, until the caller has ended them. An error of [Stream.Receive] is
// yielded last.
func (s *Stream) Values() iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for {
			var v any
			err := s.Receive(&v)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// receive returns the next value encoded; io.EOF after the last.
func (s *Stream) receive() ([]byte, error) {
	raw, err := s.in.Next(s.ctx.Done())
	if err != nil && err != io.EOF {
		return nil, s.spoil(s.unreadable(err))
	}
	return raw, err
}

// spoil keeps the first error that ended the receiving too soon, and returns it.
func (s *Stream) spoil(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad == nil {
		s.bad = err
	}
	return s.bad
}

// spoiled is that error, or nil.
func (s *Stream) spoiled() error { return s.spoil(nil) }

// itemName names the value received last.
func (s *Stream) itemName() string { return "item " + strconv.Itoa(s.in.Count()-1) }

// unreadable is the error of values that cannot be taken off the stream.
func (s *Stream) unreadable(err error) error {
	var format *items.FormatError
	switch {
	case errors.As(err, &format):
		return Errorf(InvalidArgument, "%w", format)
	case errors.Is(err, items.ErrNoMemory):
		return Errorf(ResourceExhausted, "item %d: %w", s.in.Count(), err)
	}
	return s.over(err)
}

// over is the error of a stream whose call has ended: by the context, or
// because the caller is gone. Then the context ends before the handler hears of
// it.
func (s *Stream) over(err error) error {
	defer s.stop()
	switch {
	case errors.Is(s.ctx.Err(), context.DeadlineExceeded):
		return Errorf(DeadlineExceeded, "the call's time ran out: %w", context.DeadlineExceeded)
	case s.ctx.Err() != nil:
		return Errorf(Cancelled, "the call was cancelled: %w", context.Canceled)
	}
	return Errorf(Cancelled, "the call is over: %w", err)
}
