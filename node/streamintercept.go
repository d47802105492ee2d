package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

var (
	errBegunTwice = errors.New("an interceptor asked for a second stream in place of one that has begun")
	errNotBegun   = errors.New("an interceptor of the caller did not begin the stream")
)

// live makes the streaming call within its interceptors and sees it to its end,
// on a goroutine of the node.
func (s *Stream) live(req *request) {
	n := s.node
	if len(n.cfg.CallInterceptors) == 0 {
		s.finish(s.run(s.ctx, req))
		return
	}
	var reply *Reply
	err := error(callError(commands.Internal, commands.ExecutedMaybe, commands.WhereCaller, errInterceptorEnded, ""))
	defer func() { s.finish(reply, err) }()
	defer n.contain(s.target)
	info := CallInfo{Node: n, Target: s.target, Path: req.path, Idempotent: req.idempotent, Stream: true}
	reply, err = n.intercept(s.ctx, info, func(ctx context.Context) (*Reply, error) { return s.begin(ctx, req) })
	if err == nil && s.in == nil {
		reply, err = nil, callError(commands.Internal, commands.ExecutedNo, commands.WhereCaller, errNotBegun, "correct the interceptor")
	}
}

// begin is the end of the way through the interceptors: the stream itself.
func (s *Stream) begin(ctx context.Context, req *request) (*Reply, error) {
	select {
	case <-s.begun:
		return nil, callError(commands.Internal, commands.ExecutedNo, commands.WhereCaller, errBegunTwice, "correct the interceptor")
	default:
	}
	ctx, cancel := context.WithCancelCause(ctx) // also with the caller's, whatever the interceptors made of it
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	return s.run(ctx, req)
}

// opening is an open under way through the interceptors, which stay around the
// stream until it has ended.
type opening struct {
	node    *Node
	target  string
	req     *request
	finding context.Context // bounds the opening

	once sync.Once // of given
	got  chan opened
}

// opened is what open returns.
type opened struct {
	stream  callStream
	session *session
	err     error
}

// openAround is openWithin inside the interceptors. How they end has no meaning
// any more once the stream is open.
func (c *calling) openAround(finding, ctx context.Context) (callStream, *session, error) {
	n := c.node
	if len(n.cfg.CallInterceptors) == 0 {
		return c.openWithin(finding, ctx)
	}
	o := &opening{node: n, target: c.target, req: c.req, finding: finding, got: make(chan opened, 1)}
	if !n.spawn(func() { o.run(ctx) }) {
		return nil, nil, callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, ErrShutdown, "")
	}
	given := <-o.got
	return given.stream, given.session, given.err
}

// give hands the outcome to who opens, once, and tells whether this one was it.
func (o *opening) give(given opened) (first bool) {
	o.once.Do(func() {
		first = true
		o.got <- given
	})
	return first
}

func (o *opening) run(ctx context.Context) {
	err := callError(commands.Internal, commands.ExecutedMaybe, commands.WhereCaller, errInterceptorEnded, "")
	defer func() { o.give(opened{err: err}) }()
	defer o.node.contain(o.target)
	info := CallInfo{Node: o.node, Target: o.target, Path: o.req.path, Idempotent: o.req.idempotent, Stream: true}
	_, failed := o.node.intercept(ctx, info, o.live)
	if failed == nil {
		failed = callError(commands.Internal, commands.ExecutedNo, commands.WhereCaller, errNotBegun, "correct the interceptor")
	}
	o.give(opened{err: failed})
}

// live opens the stream, hands it over and waits for its end.
func (o *opening) live(ctx context.Context) (*Reply, error) {
	start := time.Now()
	c := newCalling(ctx, o.node, o.target, o.req)
	defer c.to.release()
	stream, session, err := c.openWithin(o.finding, ctx)
	if err != nil {
		return nil, err
	}
	if !o.give(opened{stream: stream, session: session}) {
		stream.Cancel()
		return nil, callError(commands.Internal, commands.ExecutedMaybe, commands.WhereCaller, errBegunTwice, "")
	}
	value, err := stream.Result()
	if err != nil {
		return nil, c.streamVerdict(ctx, err)
	}
	name, path := o.target, PathInfo{Kind: pathSelf}
	if session != nil {
		name, path = session.peer.Hello.Name, session.info()
	}
	return &Reply{Node: name, Path: path, Took: time.Since(start), raw: value}, nil
}

// streamVerdict is how an opened stream that gave no value ended, as the
// interceptors are told.
func (c *calling) streamVerdict(ctx context.Context, err error) error {
	c.may = true
	var given *rpc.AbandonedError
	if errors.As(err, &given) && ctx.Err() == nil {
		return c.fail(commands.Cancelled, commands.WhereCaller, err, "")
	}
	return c.verdict(ctx, err)
}
