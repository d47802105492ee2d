package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Stream is an own call that is open: bytes go both ways until the peer's
// handler returns. Each direction ends by itself. All methods may be called
// from any goroutine; one reads at a time and one writes, others wait for them.
//
// Whoever opens a Stream reads it to its end, or cancels it: what it holds
// unread, at most 256 KiB, counts in the node's budget until the call has ended.
type Stream struct {
	duplex
	pending pending
	begun   chan struct{}
	began   bool // begun is closed; under mu

	ending result // set before over is closed
	once   sync.Once
	value  []byte
	err    error
}

// Open begins a streaming call. It returns when the CALL was posted whole, and
// does not wait for the peer. ctx bounds that, and its deadline, if it has one,
// travels as the call's; its end later does not end the stream, but
// [Stream.Cancel] does. req.Watcher is as in Call.
//
// The error is one of [Conn.Call]'s. With an error, no stream is left behind.
func (c *Conn) Open(ctx context.Context, req Request) (*Stream, error) {
	remaining, err := timeLeft(ctx, time.Time{})
	if err != nil {
		return nil, &AbandonedError{Cause: err}
	}
	buf := BufferFor(len(req.Args) + len(req.Kwargs))
	*buf = wire.AppendCall((*buf)[:0], wire.Call{
		ID: req.ID, Path: req.Path, Remaining: remaining, Flags: req.flags() | wire.CallStream,
		Args: req.Args, Kwargs: req.Kwargs, Trace: req.Trace,
	})
	s := c.newStream(req.Watcher)
	err = s.open(ctx, *buf)
	GiveBuffer(buf)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Conn) newStream(w Watcher) *Stream {
	s := &Stream{duplex: c.newDuplex(0), begun: make(chan struct{})}
	s.pending = pending{watcher: w, stream: s}
	return s
}

// open sends the CALL. A call that ended before it was sent whole gives its
// end here.
func (s *Stream) open(ctx context.Context, body []byte) error {
	c := s.conn
	number, err := c.send(ctx, &s.pending, body)
	if err != nil && number == 0 {
		return err
	}
	if err != nil && s.abandon(err) && errors.Is(err, errStalled) {
		return stalled(err)
	}
	c.mu.Lock()
	sent := s.pending.sent
	c.mu.Unlock()
	if sent {
		return nil
	}
	_, err = s.Result()
	return err
}

// start notes that the call has its number. The caller holds mu.
func (s *Stream) start(number uint64) {
	s.number, s.out.number = number, number
	s.pending.out = s.out
	s.conn.streams++
}

// Read reads what the peer wrote, at least one byte, in order. After the last
// it returns io.EOF if the peer ended its direction or its handler returned a
// value; else how the call ended: the handler's *commands.Error, a *BrokenError
// or an *AbandonedError. When stop is closed it returns commands.ErrStopped;
// nil waits on.
func (s *Stream) Read(stop <-chan struct{}, p []byte) (int, error) {
	n, err := s.read(stop, p)
	if err == errOver {
		_, err = s.Result()
	}
	return n, err
}

// Write sends p, and waits while the peer has no room for it. It returns how
// much was handed over and why no more: ErrEnded after the end of the call
// (Result tells how it ended), ErrWriteClosed after CloseWrite, or
// commands.ErrStopped when stop was closed.
func (s *Stream) Write(stop <-chan struct{}, p []byte) (int, error) {
	n, err := s.write(stop, p)
	return n, ended(err)
}

// CloseWrite ends this side's direction: the handler reads io.EOF. Again it
// does nothing. After the call's end it returns ErrEnded.
func (s *Stream) CloseWrite() error { return ended(s.closeWrite()) }

func ended(err error) error {
	if err == errOver {
		return ErrEnded
	}
	return err
}

// Begun is closed at the first sign that the handler has begun, or at the end
// of the call.
func (s *Stream) Begun() <-chan struct{} { return s.begun }

// Done is closed when the call has ended: the handler returned, the link
// broke, or Cancel was called.
func (s *Stream) Done() <-chan struct{} { return s.over }

// Result waits for the end of the call and returns what [Conn.Call] would.
func (s *Stream) Result() ([]byte, error) {
	<-s.over
	s.once.Do(func() { s.value, s.err = s.ending.value() })
	return s.value, s.err
}

// Cancel ends the call: the peer is told by CANCEL, Read and Result return an
// *AbandonedError, and what was not read is dropped. After the end it does
// nothing. It never waits.
func (s *Stream) Cancel() { s.abandon(context.Canceled) }

// abandon ends the call unless it has ended.
func (s *Stream) abandon(cause error) bool {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[s.number] != &s.pending {
		return false
	}
	s.discard()
	c.finish(s.number, &s.pending, result{err: &AbandonedError{Sent: s.pending.sent, Cause: cause}})
	c.postCancel(s.number)
	return true
}

// finish ends the stream with its call. What was not read stays readable. The
// caller holds mu.
func (s *Stream) finish(r result) {
	s.closed = true
	s.whole = s.whole || r.err == nil && !r.failed
	s.ending = r
	s.backlog.uncharge()
	s.end() // before begun: who wakes on that must see an end that made it
	s.begin()
	s.conn.streams--
}

// begin notes a sign of the handler. The caller holds mu.
func (s *Stream) begin() {
	if !s.began {
		s.began = true
		close(s.begun)
	}
}
