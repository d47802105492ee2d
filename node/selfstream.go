package node

import (
	"context"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/mempipe"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// selfStream is a streaming call of this node to itself. Its handler runs on a
// goroutine that Shutdown waits for.
type selfStream struct {
	*mempipe.End
	callee *mempipe.End
	stop   context.CancelFunc // of the handler's context

	once  sync.Once
	over  chan struct{}
	value []byte
	err   error
}

// openSelf begins a streaming call of a command of this very node.
func (n *Node) openSelf(ctx context.Context, req *request) (*selfStream, error) {
	cmd, missing := n.tree.Find(req.path)
	if missing != nil {
		return nil, missing
	}
	handling, stop := n.handling(ctx)
	caller, callee := mempipe.New()
	s := &selfStream{End: caller, callee: callee, stop: stop, over: make(chan struct{})}
	call := n.ownCall(cmd, req)
	call.Pipe = callee
	if !n.spawn(func() {
		value, failed := n.invoke(handling, cmd, call)
		if failed != nil {
			s.end(nil, failed)
			return
		}
		s.end(value, nil)
	}) {
		stop()
		return nil, callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, ErrShutdown, "")
	}
	return s, nil
}

// handling is the context of a handler whose caller is this node: it has the
// caller's deadline, but ends only with the stream or the node.
func (n *Node) handling(ctx context.Context) (context.Context, context.CancelFunc) {
	out := context.WithValue(context.WithoutCancel(ctx), nodeKey{}, n)
	deadline, has := ctx.Deadline()
	var stop context.CancelFunc
	if has {
		out, stop = context.WithDeadline(out, deadline)
	} else {
		out, stop = context.WithCancel(out)
	}
	unhook := context.AfterFunc(n.ctx, stop)
	return out, func() {
		unhook()
		stop()
	}
}

// end settles the outcome, once. What the handler sent can still be read.
func (s *selfStream) end(value []byte, err error) {
	s.once.Do(func() {
		s.value, s.err = value, err
		s.stop()
		if err == nil {
			_ = s.callee.CloseWrite() // never fails
			err = rpc.ErrEnded
		}
		s.callee.Break(err)
		close(s.over) // before begun: who wakes on that must see an end that made it
		_ = s.Open()  // never fails
	})
}

// Done implements callStream.
func (s *selfStream) Done() <-chan struct{} { return s.over }

// Result implements callStream.
func (s *selfStream) Result() ([]byte, error) {
	<-s.over
	return s.value, s.err
}

// Cancel implements callStream.
func (s *selfStream) Cancel() { s.end(nil, &rpc.AbandonedError{Sent: true, Cause: context.Canceled}) }
