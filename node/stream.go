package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/items"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// Stream is a streaming call under way: values go both ways until the callee's
// handler returns. Whoever begins one reads it to its end, or ends it by
// [Stream.Close], by breaking out of its values, or by its context; until then
// it holds a goroutine and up to a few hundred KiB.
//
// All methods may be used from any goroutine. Values are read by one at a time
// and sent by one at a time; others wait.
type Stream struct {
	node    *Node
	target  string
	started time.Time
	ctx     context.Context
	cancel  context.CancelCauseFunc

	begun chan struct{} // closed when there is something to read, or the stream has ended
	ended chan struct{} // closed by finish; then reply and err are set
	reply *Reply
	err   error

	receiving sync.Mutex // held by whoever reads
	in        *items.Reader

	sending   sync.Mutex // held by whoever sends
	sendEnded bool

	mu      sync.Mutex
	attempt callStream // nil while there is none
	session *session   // of the attempt; nil for this node itself
	claimed bool       // something was sent, so no other attempt may follow
	changed chan struct{}
}

// Stream begins a streaming call of one command on one node and returns at
// once; what goes wrong is told by the methods of the Stream. Values that come
// are read by [Stream.Values] or [Values], values go by [Stream.Send], and
// [Stream.Result] waits for the end. A command that does not stream answers as
// if it was called by [Node.Call].
//
// The context bounds the whole stream: when it ends, the callee's handler is
// cancelled. Without a deadline the stream has none; only finding the node and
// beginning the call must be done within Config.DefaultTimeout.
//
// Errors are [*commands.Error] values as those of Call. A stream whose link
// breaks ends with UNAVAILABLE, executed maybe, after the values that came; it
// is never begun anew once anything was sent or read. Before that it is tried
// again like a call if the command certainly did not run, or the call is
// [Idempotent].
func (n *Node) Stream(ctx context.Context, target, path string, opts ...CallOption) *Stream {
	req, err := prepare(path, collect(opts))
	return n.stream(ctx, target, req, err)
}

// stream begins a call that was prepared, or not.
func (n *Node) stream(ctx context.Context, target string, req *request, err error) *Stream {
	n.count.Calls.Add(1)
	s := &Stream{
		node: n, target: target, started: time.Now(),
		begun: make(chan struct{}), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	switch {
	case err != nil:
		s.finish(nil, err)
	case !n.spawn(func() { s.live(req) }):
		s.finish(nil, callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, ErrShutdown, ""))
	}
	return s
}

// run makes attempts until one begins, and sees that one to its end.
func (s *Stream) run(ctx context.Context, req *request) (*Reply, error) {
	c := newCalling(ctx, s.node, s.target, req)
	defer c.to.release()
	for {
		attempt, session, err := c.open(ctx)
		if err != nil {
			return nil, err
		}
		s.offer(attempt, session)
		select {
		case <-attempt.Begun():
		case <-ctx.Done():
			attempt.Cancel()
		}
		if !s.failedUnused(attempt) || !c.reopens(ctx, s.failure(c, attempt)) {
			return s.see(ctx, c, attempt)
		}
		s.node.count.Retries.Add(1)
	}
}

// offer makes an attempt the one that is written to.
func (s *Stream) offer(attempt callStream, session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt, s.session = attempt, session
	close(s.changed)
	s.changed = make(chan struct{})
}

// failedUnused tells whether an attempt has failed before anything was sent or
// read, and takes it back if so.
func (s *Stream) failedUnused(attempt callStream) bool {
	select {
	case <-attempt.Done():
	default:
		return false
	}
	if _, err := attempt.Result(); err == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimed {
		return false
	}
	s.attempt = nil
	return true
}

// failure is how an attempt failed; it notes whether the callee may have run.
func (s *Stream) failure(c *calling, attempt callStream) error {
	_, err := attempt.Result()
	c.may = c.may || maybeSentOver(err)
	if broken := (*rpc.BrokenError)(nil); errors.As(err, &broken) && s.node.tooOld(s.session) {
		return fmt.Errorf("%w: %w", errTooOld, err)
	}
	return err
}

// see lets an attempt be read and waits for its end, or ends it with ctx.
func (s *Stream) see(ctx context.Context, c *calling, attempt callStream) (*Reply, error) {
	s.in = items.NewReader(attempt, s.node.items)
	s.mu.Lock()
	s.attempt = attempt
	s.mu.Unlock()
	close(s.begun)
	select {
	case <-attempt.Done():
	case <-ctx.Done():
		attempt.Cancel()
	}
	value, err := attempt.Result()
	if err == nil {
		return &Reply{Node: s.callee(), Path: s.path(), Took: time.Since(s.started), raw: value}, nil
	}
	return nil, c.verdict(ctx, s.failure(c, attempt))
}

// callee names the node that answers.
func (s *Stream) callee() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return s.target
	}
	return s.session.peer.Hello.Name
}

func (s *Stream) path() PathInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return PathInfo{Kind: pathSelf}
	}
	return s.session.info()
}

// finish settles how the stream ended. It runs once.
func (s *Stream) finish(reply *Reply, err error) {
	var refused *commands.Error
	if err != nil && errors.As(context.Cause(s.ctx), &refused) {
		err = refused // this side ended it, for a reason
	}
	s.reply, s.err = reply, err
	if err != nil {
		s.node.count.CallsFailed.Add(1)
	}
	close(s.ended)
	select {
	case <-s.begun:
	default:
		close(s.begun)
	}
	s.cancel(nil)
}

// Result waits for the end of the stream and returns the callee's last value,
// which is nil for commands that answer with a stream. It returns only when all
// values were read, or few enough were left, or the stream was ended: read
// [Stream.Values] before. Errors are those of [Node.Stream].
func (s *Stream) Result() (*Reply, error) {
	<-s.ended
	return s.reply, s.err
}

// errStreamClosed is the cause of a stream that its caller gave up.
var errStreamClosed = errors.New("the stream was closed")

// Close ends the stream: the handler is cancelled, and Result becomes
// CANCELLED, unless the stream had ended before. It returns nil.
func (s *Stream) Close() error {
	s.cancel(errStreamClosed)
	<-s.ended
	return nil
}

// errStreamOver answers who sends after the end.
var errStreamOver = fmt.Errorf("the stream has ended, its result says why: %w", io.EOF)

// errSendEnded answers who sends after CloseSend.
var errSendEnded = errors.New("the values were ended by CloseSend")

// claim waits for an attempt and makes it the last, to send on.
func (s *Stream) claim() (callStream, error) {
	for {
		s.mu.Lock()
		attempt, changed := s.attempt, s.changed
		s.claimed = s.claimed || attempt != nil
		s.mu.Unlock()
		if attempt != nil {
			return attempt, nil
		}
		select {
		case <-changed:
		case <-s.ended:
			return nil, errStreamOver
		}
	}
}

// Send sends one value to the handler, anything that msgpack takes, at most
// 64 MiB. It waits while the handler is slow. A value that cannot be encoded is
// INVALID_ARGUMENT or RESOURCE_EXHAUSTED and leaves the stream as it is. After
// the end of the call the error wraps io.EOF, and [Stream.Result] says why.
func (s *Stream) Send(v any) error {
	raw, err := commands.EncodeValue(v)
	if err != nil {
		return err
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.sendEnded {
		return errSendEnded
	}
	attempt, err := s.claim()
	if err != nil {
		return err
	}
	if err := items.Write(attempt, nil, raw); err != nil {
		return errStreamOver
	}
	return nil
}

// CloseSend tells the handler that no more values come. Again it does nothing.
// After the end of the call the error is that of Send.
func (s *Stream) CloseSend() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.sendEnded {
		return nil
	}
	attempt, err := s.claim()
	if err != nil {
		return err
	}
	s.sendEnded = true
	if err := attempt.CloseWrite(); errors.Is(err, rpc.ErrEnded) {
		return errStreamOver
	}
	return nil
}
