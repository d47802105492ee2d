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

// enter lets an accepted call run at once, or wait for its place. Its ledger
// entry exists by now: a repeat of a call that waits finds it, as it would find
// one that runs, and the call runs once.
func (s *Server) enter(sv *served, a admission) {
	if a == admitted {
		go s.run(sv)
		return
	}
	s.counters.queued.Add(1)
	// The context ends by the deadline, by a CANCEL, by the loss of the link's
	// interest and by Close.
	sv.unwatch = context.AfterFunc(sv.ctx, func() {
		if s.gate.drop(&sv.ticket) {
			s.expire(sv)
		}
	})
	if !s.gate.wait(&sv.ticket) {
		s.expire(sv)
	}
}

// begin runs a call that has waited.
func (s *Server) begin(t *ticket) { go s.run(t.sv) }

// expire ends a call that was dropped while it waited.
func (s *Server) expire(sv *served) {
	s.counters.expired.Add(1)
	sv.conn.mu.Lock()
	sv.owner = false // it holds no place: its answer need not wait for room
	sv.conn.mu.Unlock()
	s.release(sv.charged)
	sv.finish(nil, unstarted(sv.ctx.Err()))
	sv.cancel()
}

// run runs the handler of a call that has begun. It has a goroutine of its own,
// which the Server waits for, and a place of the gate.
func (s *Server) run(sv *served) {
	defer s.gate.leave(&sv.ticket)
	defer s.release(sv.charged)
	defer sv.cancel()
	if sv.unwatch != nil {
		sv.unwatch()
	}
	if err := sv.ctx.Err(); err != nil {
		sv.finish(nil, unstarted(err))
		return
	}
	command, refused := s.cfg.Tree.Find(sv.path)
	if refused != nil {
		sv.finish(nil, refused)
		return
	}
	sv.call.Path = command.Path()
	s.counters.started.Add(1)
	s.cfg.Serve(sv.ctx, command, &sv.call, sv.finish)
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
		o = ledger.Outcome{Failed: true, Code: uint8(err.Code), Body: wire.AppendFailBody(nil, err.Fail(0))}
	case len(value) == 0:
		o.Body = wire.AppendNil(nil)
	}
	sv.entry.Finish(o)
}
