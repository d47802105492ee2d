package rpc

import (
	"context"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// context makes a handler's context. The time that a call has left counts from
// its arrival.
func (s *Server) context(arrived time.Time, remaining time.Duration) (context.Context, context.CancelFunc) {
	ctx := s.ctx
	if s.cfg.Context != nil {
		ctx = s.cfg.Context(ctx)
	}
	if remaining <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, arrived.Add(remaining))
}

// run runs the handler of a call that has begun. It has a goroutine of its own,
// which the Server waits for, and the place that admit took.
func (s *Server) run(ctx context.Context, cancel context.CancelFunc, sv *served) {
	defer s.leave(sv.conn.peer)
	defer s.release(sv.charged)
	defer cancel()
	if ctx.Err() != nil {
		sv.finish(nil, unstarted(ctx.Err()))
		return
	}
	command, refused := s.cfg.Tree.Find(sv.path)
	if refused != nil {
		sv.finish(nil, refused)
		return
	}
	sv.call.Path = command.Path()
	s.counters.started.Add(1)
	s.cfg.Serve(ctx, command, &sv.call, sv.finish)
}

// unstarted is the outcome of a call whose time was over before its handler
// began.
func unstarted(cause error) *commands.Error {
	code := commands.DeadlineExceeded
	if cause == context.Canceled {
		code = commands.Cancelled
	}
	return &commands.Error{
		Code: code, Message: "it ended before the command began",
		Executed: commands.ExecutedNo, Where: commands.WhereQueue,
	}
}

// finish ends the call in the ledger, which delivers the outcome to all links
// that wait for it.
func (sv *served) finish(value []byte, err *commands.Error) {
	o := ledger.Outcome{Body: value}
	switch {
	case err != nil:
		o = ledger.Outcome{Failed: true, Body: wire.AppendFailBody(nil, err.Fail(0))}
	case len(value) == 0:
		o.Body = wire.AppendNil(nil)
	}
	sv.entry.Finish(o)
}
