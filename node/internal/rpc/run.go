package rpc

import (
	"context"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// deadline is when the time that a call had left at its arrival is over; zero is
// never.
func deadline(arrived time.Time, remaining time.Duration) time.Time {
	if remaining <= 0 {
		return time.Time{}
	}
	return arrived.Add(remaining)
}

// enter lets an accepted call run at once, or wait for its place. Its ledger
// entry exists by now: a repeat of a call that waits finds it, as it would find
// one that runs, and the call runs once. The error is as of serve.
func (s *Server) enter(sv *served, a admission, reader bool) error {
	if a == admitted {
		return s.start(sv, reader)
	}
	s.counters.queued.Add(1)
	// The context ends by the deadline, by a CANCEL, by the loss of the link's
	// interest and by Close.
	sv.unwatch = context.AfterFunc(&sv.ctx, func() {
		if s.gate.drop(&sv.ticket) {
			s.expire(sv)
		}
	})
	if !s.gate.wait(&sv.ticket) {
		s.expire(sv)
	}
	return nil
}

// start runs a call that has its place: on the reader, if it is there and the
// command is quick, else on a goroutine of its own.
func (s *Server) start(sv *served, reader bool) error {
	c := sv.conn
	if reader {
		sv.command, _ = s.cfg.Tree.FindBytes(sv.path) // run tells why not
	}
	quick := sv.command != nil && c.quick(sv)
	if quick && c.own {
		return c.runHere(sv)
	}
	go s.run(sv)
	if quick { // from now on
		return link.ErrPassed
	}
	return nil
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
	sv.ctx.Cancel()
}

// run runs the handler of a call that has begun. It has a goroutine of its own,
// or the reader's, and a place of the gate, which the Server waits for.
func (s *Server) run(sv *served) {
	defer func() {
		if !sv.sending {
			s.left(sv)
		}
	}()
	if sv.unwatch != nil {
		sv.unwatch()
	}
	if err := sv.ctx.Err(); err != nil {
		sv.finish(nil, unstarted(err))
		return
	}
	if sv.command == nil {
		command, refused := s.cfg.Tree.FindBytes(sv.path)
		if refused != nil {
			sv.finish(nil, refused)
			return
		}
		sv.command = command
	}
	sv.call.Path = sv.command.Path()
	s.counters.started.Add(1)
	s.cfg.Serve(&sv.ctx, sv.command, &sv.call, sv.finish)
}

// left gives back what a call held while it ran.
func (s *Server) left(sv *served) {
	sv.ctx.Cancel()
	s.release(sv.charged)
	s.gate.leave(&sv.ticket)
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

// valueNil is the outcome of a command without a value.
var valueNil = wire.AppendNil(nil)

// finish ends the call in the ledger, which delivers the outcome to all links
// that wait for it.
func (sv *served) finish(value []byte, err *commands.Error) {
	sv.handled()
	o := ledger.Outcome{Body: value}
	switch {
	case err != nil:
		o = ledger.Outcome{Failed: true, Code: uint8(err.Code), Body: wire.AppendFailBody(nil, err.Fail(0))}
	case len(value) == 0:
		o.Body = valueNil
	}
	if sv.here && large(o) { // it waits for the peer, which the reader may not
		sv.here, sv.sending = false, true
		go func() {
			defer sv.conn.server.left(sv)
			sv.entry.Finish(o)
		}()
		return
	}
	sv.entry.Finish(o)
}
