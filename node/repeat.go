package node

import (
	"context"
	"errors"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// errRestarted: the callee that may have run the command is gone, and its
// memory of calls with it.
var errRestarted = errors.New("the node restarted while the call was under way")

// aim fixes the instance and the id of the call. Another instance than the one
// that may have run it has no memory of the call, so only idempotent calls go
// on there, under a fresh id.
func (c *calling) aim(ctx context.Context, s *session) error {
	instance := s.peer.Hello.Instance
	if c.instance == instance {
		return nil
	}
	if c.may && !c.repeatable(ctx, s) {
		return errRestarted
	}
	c.before = c.before || c.may
	c.instance, c.sent, c.may = instance, false, false
	c.id = c.node.ids.next(instance)
	return nil
}

// repeatable tells whether the call may run twice: its caller said so, or the
// callee that is there now says so of the command.
func (c *calling) repeatable(ctx context.Context, s *session) bool {
	return c.req.idempotent || c.described(ctx, s)
}

// described asks the callee whether the command is registered as idempotent.
func (c *calling) described(ctx context.Context, s *session) bool {
	args, err := commands.EncodeArgs([]any{c.req.path})
	if err != nil {
		return false
	}
	value, err := s.conn.Call(ctx, rpc.Request{ID: c.node.ids.next(s.peer.Hello.Instance), Path: "__describe__", Args: args})
	if err != nil {
		return false
	}
	var is struct {
		Idempotent bool `json:"idempotent"`
	}
	return commands.DecodeValue(value, &is) == nil && is.Idempotent
}

// forgotten tells whether the callee has no outcome of a call that may have run,
// and the call may run again: then it does, under a fresh id.
func (c *calling) forgotten(e *commands.Error) bool {
	if !c.req.idempotent || e.Code != commands.Unavailable || e.Executed == commands.ExecutedNo || e.Where != commands.WhereQueue {
		return false
	}
	c.before, c.sent, c.may = true, false, false
	c.id = c.node.ids.next(c.instance)
	return true
}
