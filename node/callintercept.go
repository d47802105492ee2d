package node

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
)

// CallInfo says which call a [CallInterceptor] stands around.
type CallInfo struct {
	// Node is the node that makes the call.
	Node *Node
	// Target is the name of the node to call; in a gather, of this member.
	Target string
	// Path is the path of the command.
	Path string
	// Stream tells that the call is a stream: next opens it and returns when
	// it has ended.
	Stream bool
	// Idempotent tells that the caller lets the command run twice.
	Idempotent bool
}

// CallInterceptor stands around the calls that a node makes
// ([Config.CallInterceptors]): around the whole logical call, retries and
// changes of path included. In a gather each member's call is one of its own.
//
// next makes the call and returns its outcome; the interceptor returns that, or
// another. It may put values, a trace ([commands.WithTrace]) or an earlier
// deadline into the context that it hands on, refuse the call by an error of its
// own, or call next again, which is a new call with a new id: of a call that
// failed with Executed other than "no" the command may then run twice.
//
// An error that is no *commands.Error becomes one: UNKNOWN, or the code of what
// it wraps, where caller, with Executed as the calls made by next had it.
// Interceptors run on the caller's goroutine, many at a time, and on one of the
// node for members of gathers and for streams. A panic is the caller's own; in a
// gather or a stream it becomes the INTERNAL error of that call, and is logged.
// A call that an interceptor makes by its node passes through all of them again.
//
// Of a stream, next returns at its end, with its last value. Once it has begun it
// cannot be begun again: then next is an INTERNAL error. What the interceptor
// returns is the stream's result; only for connections, which have none, it has
// no meaning any more once they are open.
type CallInterceptor func(ctx context.Context, info CallInfo, next func(context.Context) (*Reply, error)) (*Reply, error)

var (
	errInterceptorEnded = errors.New("an interceptor of the caller did not return")
	errNoOutcome        = errors.New("an interceptor of the caller returned neither a reply nor an error")
)

// contain keeps the panic of an interceptor from ending the process, on a
// goroutine that is not the caller's. It is deferred.
func (n *Node) contain(target string) {
	if cause := recover(); cause != nil {
		n.cfg.Logger.Error("call interceptor panicked", "target", target, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	}
}

// callChain is one call on its way through the interceptors.
type callChain struct {
	node *Node
	info CallInfo
	call func(context.Context) (*Reply, error)

	mu  sync.Mutex
	ran commands.Executed // what the calls so far did, the worst of them
}

// intercept makes a call within the interceptors.
func (n *Node) intercept(ctx context.Context, info CallInfo, call func(context.Context) (*Reply, error)) (*Reply, error) {
	c := &callChain{node: n, info: info, call: call}
	reply, err := c.from(0)(ctx)
	switch {
	case err != nil:
		return nil, c.failure(err)
	case reply == nil:
		return nil, callError(commands.Internal, c.executed(), commands.WhereCaller, errNoOutcome, "correct the interceptor")
	}
	return reply, nil
}

// from is the rest of the way, from interceptor i on.
func (c *callChain) from(i int) func(context.Context) (*Reply, error) {
	if i == len(c.node.cfg.CallInterceptors) {
		return c.end
	}
	interceptor, next := c.node.cfg.CallInterceptors[i], c.from(i+1)
	return func(ctx context.Context) (*Reply, error) { return interceptor(ctx, c.info, next) }
}

// end makes the call.
func (c *callChain) end(ctx context.Context) (*Reply, error) {
	reply, err := c.call(ctx)
	ran := commands.ExecutedYes
	var failed *commands.Error
	if errors.As(err, &failed) {
		ran = failed.Executed
	}
	c.mu.Lock()
	c.ran = max(c.ran, ran)
	c.mu.Unlock()
	return reply, err
}

func (c *callChain) executed() commands.Executed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ran
}

// failure is what the caller gets for an error that the interceptors returned.
// The outcome of a call, also a wrapped one, keeps its place and what it says
// about the run.
func (c *callChain) failure(err error) error {
	var call *commands.Error
	known := errors.As(err, &call) && call != nil && call.Where != 0
	if known && err == error(call) {
		return err
	}
	e := commands.FromHandler(err)
	e.Executed, e.Where = c.executed(), commands.WhereCaller
	if known {
		e.Executed, e.Where = call.Executed, call.Where
	}
	return e
}
