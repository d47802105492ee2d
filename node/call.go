package node

import (
	"context"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// request is a checked and encoded call, the same for every target and path.
type request struct {
	path         string
	args, kwargs []byte
	idempotent   bool
	dryRun       bool
	hedge        bool
	wish         wish
}

func prepare(path string, o callOptions) (*request, error) {
	if _, err := commands.ParsePath(path); err != nil {
		return nil, badCall(err)
	}
	args, err := commands.EncodeArgs(o.args)
	if err != nil {
		return nil, badCall(err)
	}
	kwargs, err := commands.EncodeKwargs(o.kwargs)
	if err != nil {
		return nil, badCall(err)
	}
	// Asking twice whether a command would run does no harm.
	return &request{path: path, args: args, kwargs: kwargs, idempotent: o.idempotent || o.dryRun, dryRun: o.dryRun, hedge: o.hedge, wish: o.wish}, nil
}

func badCall(err error) error {
	var bad *commands.Error
	if errors.As(err, &bad) {
		e := *bad
		e.Where = commands.WhereCaller
		return &e
	}
	return callError(commands.InvalidArgument, commands.ExecutedNo, commands.WhereCaller, err, "correct the call; nothing was sent")
}

// Call runs one command on one node and returns its answer. The whole call,
// finding the node and changes of path included, ends by the context's
// deadline, or within Config.DefaultTimeout if it has none. Errors are
// [*commands.Error] values that say whether the command ran.
func (n *Node) Call(ctx context.Context, target, path string, opts ...CallOption) (*Reply, error) {
	req, err := prepare(path, collect(opts))
	if err != nil {
		return nil, err
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	return n.call(ctx, target, req)
}

// Invoke calls a typed command: in is a struct whose fields are the named
// arguments (nil for none), and the answer is decoded into Out. Of the options,
// Args and Kwargs have no place here. Errors are those of [Node.Call]; an answer that does not fit Out is an INTERNAL error
// that says the command ran.
func Invoke[Out any](ctx context.Context, n *Node, target, path string, in any, opts ...CallOption) (Out, error) {
	var out Out
	req, err := prepareInput(path, in, opts)
	if err != nil {
		return out, err
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	reply, err := n.call(ctx, target, req)
	if err != nil {
		return out, err
	}
	if err := reply.Decode(&out); err != nil {
		return out, callError(commands.Internal, commands.ExecutedYes, commands.WhereCaller, err, "the answer has another type than the caller expects")
	}
	return out, nil
}

// prepareInput is prepare with a struct, or nil, as named arguments.
func prepareInput(path string, in any, opts []CallOption) (*request, error) {
	req, err := prepare(path, collect(opts))
	if err != nil || in == nil {
		return req, err
	}
	if req.kwargs, err = commands.EncodeInput(in); err != nil {
		return nil, badCall(err)
	}
	return req, nil
}

// bounded gives the context the default timeout if it has no deadline.
func (n *Node) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, n.cfg.DefaultTimeout)
}

// call makes one logical call within its interceptors.
func (n *Node) call(ctx context.Context, target string, req *request) (*Reply, error) {
	if len(n.cfg.CallInterceptors) == 0 {
		return n.callOnce(ctx, target, req)
	}
	info := CallInfo{Node: n, Target: target, Path: req.path, Idempotent: req.idempotent}
	return n.intercept(ctx, info, func(ctx context.Context) (*Reply, error) {
		ctx, cancel := n.bounded(ctx) // an interceptor may have taken the deadline away
		defer cancel()
		return n.callOnce(ctx, target, req)
	})
}

func (n *Node) callOnce(ctx context.Context, target string, req *request) (*Reply, error) {
	n.count.Calls.Add(1)
	start := time.Now()
	c := newCalling(ctx, n, target, req)
	defer c.to.release()
	reply, err := c.run(ctx)
	if err != nil {
		n.count.CallsFailed.Add(1)
		return nil, err
	}
	reply.Took = time.Since(start)
	return reply, nil
}

// calling is one logical call on its way: the member it goes to, its id there,
// whether it may have been sent, and whether the command may have run.
type calling struct {
	node   *Node
	target string
	req    *request
	trace  []byte // the trace element of the CALL; nil without a trace
	to     *destination

	instance crypto.InstanceID
	id       wire.CallID
	sent     bool // a CALL with this id may have reached the instance
	may      bool // the command may have run there
	before   bool // an idempotent call may have reached another one before
	broke    time.Time
	breaks   int
	turned   int       // how often its link was not taken for the moment
	grace    time.Time // until when to try an unreachable member again
	misses   int       // how often it was unreachable
}

func newCalling(ctx context.Context, n *Node, target string, req *request) *calling {
	return &calling{node: n, target: target, req: req, trace: traceElement(ctx), to: n.destination(target, req.wish)}
}

func (c *calling) run(ctx context.Context) (*Reply, error) {
	self, err := c.check()
	if err != nil {
		return nil, err
	}
	if self {
		return c.node.callSelf(ctx, c.req)
	}
	for {
		reply, err := c.attempt(ctx)
		if err == nil {
			return reply, nil
		}
		c.to.fixed = c.may && !c.req.idempotent
		if !c.to.elsewhere(ctx, err) && !c.again(ctx, err) {
			return nil, c.verdict(ctx, err)
		}
		c.node.count.Retries.Add(1)
	}
}

// check refuses what cannot be called at all, and tells whether the target is
// this node itself.
func (c *calling) check() (self bool, err error) {
	if err := c.node.usable(); err != nil {
		return false, c.fail(commands.Unavailable, commands.WhereCaller, err, "")
	}
	if c.target == c.node.Name() && c.target != "" {
		return true, nil
	}
	if err := checkTarget(c.target); err != nil {
		return false, badCall(err)
	}
	return false, nil
}

// attempt resolves the target, reaches it and makes the call over one link.
func (c *calling) attempt(ctx context.Context) (*Reply, error) {
	m, s, err := c.locate(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.aim(ctx, s); err != nil {
		return nil, err
	}
	return c.over(ctx, m, s)
}

// locate resolves the target and reaches it.
func (c *calling) locate(ctx context.Context) (*member, *session, error) {
	m, err := c.to.next(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.to.reach(ctx, m)
	return m, s, err
}
