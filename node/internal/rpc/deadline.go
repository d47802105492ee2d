package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// deadlines ends the own calls whose Request.Deadline has come, by one timer for
// all of them: the usual timeouts are long, so that most calls are answered
// without one having been set. The Conn's mu guards it.
type deadlines struct {
	alarm *time.Timer // nil before the first call with a deadline
	first time.Time   // when the alarm fires; zero: it does not
}

// expiryPerCall is how long the alarm rests after it has looked at the pending
// calls, for each of them, so that many that run out one after the other do not
// take the processor.
const expiryPerCall = 100 * time.Nanosecond

// note has a call ended at its deadline. The caller holds mu.
func (c *Conn) note(deadline time.Time) {
	if deadline.IsZero() || !c.first.IsZero() && !deadline.Before(c.first) {
		return
	}
	c.first = deadline
	left := time.Until(deadline)
	if c.alarm == nil {
		c.alarm = time.AfterFunc(left, c.expire)
	} else {
		c.alarm.Reset(left)
	}
}

// expire ends the calls whose deadline is over.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	now := time.Now()
	c.first = time.Time{}
	for number, p := range c.pending {
		switch {
		case p.deadline.IsZero():
		case !now.Before(p.deadline):
			c.forsake(number, p, context.DeadlineExceeded)
		case c.first.IsZero() || p.deadline.Before(c.first):
			c.first = p.deadline
		}
	}
	if !c.first.IsZero() {
		rest := time.Duration(len(c.pending)) * expiryPerCall
		c.alarm.Reset(max(c.first.Sub(now), rest))
	}
}

// silence keeps the alarm from firing. The caller holds mu.
func (d *deadlines) silence() {
	if d.alarm != nil {
		d.alarm.Stop()
	}
}

// forsake ends a pending call for which nobody waits any longer, and tells the
// peer. The caller holds mu.
func (c *Conn) forsake(number uint64, p *pending, cause error) {
	r := result{err: &AbandonedError{Sent: p.sent, Cause: cause}}
	if errors.Is(cause, errStalled) {
		r.err = stalled(cause)
	}
	c.finish(number, p, r)
	c.postCancel(number)
}

// forsakeIf is forsake unless the call has ended.
func (c *Conn) forsakeIf(number uint64, p *pending, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[number] == p {
		c.forsake(number, p, cause)
	}
}

// room waits until the link takes another message, no longer than until the
// deadline, if there is one, or the end of ctx; then the error is an
// *AbandonedError.
func (c *Conn) room(ctx context.Context, deadline time.Time) error {
	ready := c.link.Ready()
	if ready == nil {
		return nil // an ended link shows when something is posted
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case <-ready:
		return nil
	case <-c.link.Done():
		return c.link.Err()
	case <-ctx.Done():
		return &AbandonedError{Cause: ctx.Err()}
	}
}

// boundLarge bounds a call that takes more than one message, and may have to wait
// for credit, by a context: those waits know nothing else.
func boundLarge(ctx context.Context, p *pending, body []byte) (context.Context, context.CancelFunc) {
	if len(body) <= wire.MaxMessage || p.deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, p.deadline)
}
