package node

import (
	"context"
	"errors"
	"time"
)

// errTooOld ends a link, and its streams, at the greatest age of a session.
var errTooOld = errors.New("the link reached its greatest age (Timers.HardEnd)")

// tooOld tells whether a session has ended for its age: either side may be the
// first to see it.
func (n *Node) tooOld(s *session) bool {
	return time.Since(s.created) > n.cfg.Timers.HardEnd-maintainEvery
}

// patience bounds the parting of a session: Timers.Drain for accepted calls,
// and, while streams are open on it, until they end or the session is too old.
// Its end cancels the context returned; stop ends it early.
func (n *Node) patience(s *session) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = context.WithCancel(n.ctx)
	if !n.spawn(func() { n.wait(ctx, s, stop) }) {
		stop()
	}
	return ctx, stop
}

func (n *Node) wait(ctx context.Context, s *session, giveUp context.CancelFunc) {
	defer giveUp()
	if !sleep(ctx, n.cfg.Timers.Drain) {
		return
	}
	if s.conn.Streams() == 0 {
		return
	}
	for s.conn.Streams() > 0 {
		left := time.Until(s.created.Add(n.cfg.Timers.HardEnd))
		if left <= 0 {
			s.conn.Close(errTooOld)
			return
		}
		if !sleep(ctx, min(left, maintainEvery)) {
			return
		}
	}
	sleep(ctx, maintainEvery) // the end of the last one is on its way
}

// farewell bounds the parting of a session at Shutdown by ctx, and by
// Timers.Drain if streams are open on it then: they may have no end.
func (n *Node) farewell(ctx context.Context, s *session) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	timer := time.AfterFunc(n.cfg.Timers.Drain, func() {
		if s.conn.Streams() > 0 {
			stop()
		}
	})
	return ctx, func() {
		timer.Stop()
		stop()
	}
}
