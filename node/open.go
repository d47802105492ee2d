package node

import (
	"context"
	"errors"

	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// callStream is one attempt of a streaming call, as package rpc describes it:
// an *rpc.Stream, or a selfStream.
type callStream interface {
	Read(stop <-chan struct{}, p []byte) (int, error)
	Write(stop <-chan struct{}, p []byte) (int, error)
	CloseWrite() error
	Begun() <-chan struct{}
	Done() <-chan struct{}
	Result() ([]byte, error)
	Cancel()
}

// open begins a streaming call: it resolves the target, reaches it and sends
// the call, within the default timeout if ctx has no deadline, and tries again
// while nothing was sent. ctx's deadline, if it has one, is the call's; its end
// after open has returned does not end the stream, but Cancel does. The session
// is nil when the target is this node. Errors are those of Call.
func (c *calling) open(ctx context.Context) (callStream, *session, error) {
	finding, cancel := c.node.bounded(ctx)
	defer cancel()
	return c.openWithin(finding, ctx)
}

// openWithin is open with a time of its own for finding the target; only ctx's
// deadline is the call's.
func (c *calling) openWithin(finding, ctx context.Context) (callStream, *session, error) {
	self, err := c.check()
	if err != nil {
		return nil, nil, err
	}
	if self {
		s, err := c.node.openSelf(ctx, c.req)
		if err != nil {
			return nil, nil, err
		}
		return s, nil, nil
	}
	for {
		st, s, err := c.begin(finding, ctx)
		if err == nil {
			return st, s, nil
		}
		c.may = c.may || maybeSentOver(err)
		c.to.fixed = c.may && !c.req.idempotent
		if !c.to.elsewhere(finding, err) && !c.reopens(finding, err) {
			return nil, nil, c.verdict(finding, err)
		}
		c.node.count.Retries.Add(1)
	}
}

// begin is one attempt within finding. Each has an id of its own, since the
// callee runs a stream it knows not again.
func (c *calling) begin(finding, ctx context.Context) (*rpc.Stream, *session, error) {
	_, s, err := c.locate(finding, nil)
	if err != nil {
		return nil, nil, err
	}
	sending, cancel := context.WithCancel(ctx) // of ctx, whose deadline is the call's
	defer cancel()
	defer context.AfterFunc(finding, cancel)()
	c.id = c.node.ids.next(s.peer.Hello.Instance)
	st, err := s.conn.Open(sending, c.request(false))
	return st, s, err
}

// maybeSentOver is maybeSent for the attempts of a stream, whose failures to
// find or reach the member are among the errors.
func maybeSentOver(err error) bool {
	var (
		broken    *rpc.BrokenError
		abandoned *rpc.AbandonedError
	)
	return (errors.As(err, &broken) || errors.As(err, &abandoned)) && maybeSent(err)
}

// reopens decides whether a stream that failed before anything came of it is
// begun anew: its callee must not have run it, or may run it twice.
func (c *calling) reopens(ctx context.Context, err error) bool {
	if maybeSentOver(err) && !c.req.idempotent {
		return false
	}
	return c.again(ctx, err)
}
