package node

import (
	"context"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// request is a checked and encoded call, the same for every target and path.
type request struct {
	path         string
	args, kwargs []byte // nil for none
	idempotent   bool
	dryRun       bool
	hedge        bool
	wish         wish
}

func prepare(path string, o callOptions) (*request, error) {
	req := &request{}
	_, err := req.prepare(nil, path, &o, nil)
	return req, err
}

// prepare checks and encodes a call; the arguments are appended to buf, which
// comes back grown. in, a struct or a map, goes in place of named arguments; nil
// is none.
func (r *request) prepare(buf []byte, path string, o *callOptions, in any) ([]byte, error) {
	if _, err := commands.ParsePath(path); err != nil {
		return buf, badCall(err)
	}
	// Asking twice whether a command would run does no harm.
	r.path, r.idempotent, r.dryRun, r.hedge, r.wish = path, o.idempotent || o.dryRun, o.dryRun, o.hedge, o.wish
	var err error
	before := len(buf)
	if len(o.args) > 0 {
		if buf, err = commands.AppendArgs(buf, o.args); err != nil {
			return buf, badCall(err)
		}
		r.args = buf[before:len(buf):len(buf)]
	}
	before = len(buf)
	switch {
	case in != nil:
		buf, err = commands.AppendInput(buf, in)
	case len(o.kwargs) > 0:
		buf, err = commands.AppendKwargs(buf, o.kwargs)
	}
	if err != nil {
		return buf, badCall(err)
	}
	r.kwargs = buf[before:len(buf):len(buf)]
	return buf, nil
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
	c := &calling{node: n, target: target}
	if err := c.prepare(path, nil, opts); err != nil {
		return nil, err
	}
	return c.answer(ctx)
}

// Invoke calls a typed command: in is a struct whose fields are the named
// arguments (nil for none), and the answer is decoded into Out. Of the options,
// Args and Kwargs have no place here. Errors are those of [Node.Call]; an answer that does not fit Out is an INTERNAL error
// that says the command ran.
func Invoke[Out any](ctx context.Context, n *Node, target, path string, in any, opts ...CallOption) (Out, error) {
	var out Out
	c := &calling{node: n, target: target}
	if err := c.prepare(path, in, opts); err != nil {
		return out, err
	}
	reply, err := c.answer(ctx)
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
	o, req := collect(opts), &request{}
	_, err := req.prepare(nil, path, &o, in)
	return req, err
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
		return n.callOnce(ctx, target, req) // which bounds it again: an interceptor may have taken the deadline away
	})
}

func (n *Node) callOnce(ctx context.Context, target string, req *request) (*Reply, error) {
	c := &calling{node: n, target: target, req: req}
	return c.once(ctx)
}

// calling is one logical call on its way: the member it goes to, its id there,
// whether it may have been sent, and whether the command may have run.
type calling struct {
	node   *Node
	target string
	req    *request
	trace  []byte // the trace element of the CALL; nil without a trace
	to     destination
	limit  limit

	instance crypto.InstanceID
	id       wire.CallID
	sent     bool // a CALL with this id may have reached the instance
	may      bool // the command may have run there
	before   bool // an idempotent call may have reached another one before
	breaks   int32
	turned   int32 // how often its link was not taken for the moment
	misses   int32 // how often it was unreachable
	broke    time.Time
	grace    time.Time // until when to try an unreachable member again

	own   request  // what req is of a call that shares it with no other
	lent  *[]byte  // what the arguments of own are in
	first delivery // most calls need no other
}

func newCalling(ctx context.Context, n *Node, target string, req *request) *calling {
	return &calling{node: n, target: target, req: req, trace: traceElement(ctx), to: n.destination(target, &req.wish)}
}

// prepare makes the call's own request.
func (c *calling) prepare(path string, in any, opts []CallOption) error {
	o := collect(opts)
	c.lent, c.req = rpc.BufferFor(argumentBytes(o.args)), &c.own
	var err error
	*c.lent, err = c.own.prepare((*c.lent)[:0], path, &o, in)
	if err != nil {
		c.giveBack()
	}
	return err
}

// giveBack gives up the buffer of the arguments, unless it is needed still.
func (c *calling) giveBack() {
	if c.lent != nil {
		rpc.GiveBuffer(c.lent)
	}
	c.lent = nil
}

// answer makes the call of a request of its own.
func (c *calling) answer(ctx context.Context) (*Reply, error) {
	n := c.node
	if len(n.cfg.CallInterceptors) > 0 { // they may hold on to the call
		ctx, cancel := n.bounded(ctx)
		defer cancel()
		return n.call(ctx, c.target, c.req)
	}
	reply, err := c.once(ctx)
	c.giveBack()
	return reply, err
}

// once makes the call, without interceptors.
func (c *calling) once(ctx context.Context) (*Reply, error) {
	n := c.node
	n.count.Calls.Add(1)
	start := time.Now()
	if _, has := ctx.Deadline(); !has {
		c.limit.at = start.Add(n.cfg.DefaultTimeout)
	}
	c.trace, c.to = traceElement(ctx), n.destination(c.target, &c.req.wish)
	reply, err := c.run(ctx)
	c.to.release()
	c.limit.release()
	if err != nil {
		n.count.CallsFailed.Add(1)
		return nil, err
	}
	reply.Took = time.Since(start)
	return reply, nil
}

func (c *calling) run(ctx context.Context) (*Reply, error) {
	self, err := c.check()
	if err != nil {
		return nil, err
	}
	if self {
		return c.callSelf(ctx)
	}
	for {
		reply, err := c.attempt(ctx)
		if err == nil {
			return reply, nil
		}
		ctx = c.limit.bound(ctx) // from here on there may be something to wait for
		c.to.fixed = c.may && !c.req.idempotent
		if !c.to.elsewhere(ctx, err) && !c.again(ctx, err) {
			return nil, c.verdict(ctx, err)
		}
		c.node.count.Retries.Add(1)
	}
}

// callSelf makes a call of the node to itself.
func (c *calling) callSelf(ctx context.Context) (*Reply, error) {
	ctx, cancel := context.WithCancel(c.limit.bound(ctx))
	defer cancel()
	c.lent = nil // the handler may keep the arguments
	return c.node.callSelf(ctx, c.req)
}

// check refuses what cannot be called at all, and tells whether the target is
// this node itself.
func (c *calling) check() (self bool, err error) {
	name, err := c.node.standing()
	if err != nil {
		return false, c.fail(commands.Unavailable, commands.WhereCaller, err, "")
	}
	return c.target == name && name != "", nil
}

// attempt resolves the target, reaches it and makes the call over one link.
func (c *calling) attempt(ctx context.Context) (*Reply, error) {
	m, s := c.to.atHand()
	if s == nil {
		ctx = c.limit.bound(ctx)
		var err error
		if m, s, err = c.locate(ctx, m); err != nil {
			return nil, err
		}
	}
	if err := c.aim(ctx, s); err != nil {
		return nil, err
	}
	return c.over(ctx, m, s)
}

// locate resolves the target, unless the member is known, and reaches it.
func (c *calling) locate(ctx context.Context, m *member) (*member, *session, error) {
	if err := checkTarget(c.target); err != nil {
		return nil, nil, badCall(err)
	}
	var err error
	if m == nil {
		if m, err = c.to.next(ctx); err != nil {
			return nil, nil, err
		}
	}
	s, err := c.to.reach(ctx, m)
	return m, s, err
}
