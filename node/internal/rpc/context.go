package rpc

import (
	"context"
	"sync"
	"time"
)

// callContext is a handler's context. Most handlers only hand it on, or ask
// whether it is over; so what one costs that can be waited for, its channel, its
// timer and its place under the Server's, is not there before somebody asks for
// Done. Then an ordinary context is made, which the package context knows as its
// own: contexts derived from this one hang on that, without goroutines.
type callContext struct {
	parent   context.Context // the Server's
	deadline time.Time       // zero is none

	mu   sync.Mutex
	over error           // why it has ended, if that was before made, or was seen
	made context.Context // ordinary; nil until somebody wants to wait
	stop context.CancelFunc
}

// init begins the life of a context. It runs before anybody else has it.
func (c *callContext) init(parent context.Context, deadline time.Time) {
	c.parent, c.deadline = parent, deadline
}

// Deadline is the call's.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.parent.Deadline()
	}
	return c.deadline, true
}

// Done makes the context one that can be waited for.
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.make()
	}
	return c.made.Done()
}

// make makes the ordinary context. The caller holds mu.
func (c *callContext) make() {
	switch {
	case c.deadline.IsZero():
		c.made, c.stop = context.WithCancel(c.parent)
	case c.over == context.Canceled: // and not because its time is over by now
		c.made, c.stop = context.WithCancel(c.parent)
	default:
		c.made, c.stop = context.WithDeadline(c.parent, c.deadline)
	}
	if c.over != nil {
		c.stop()
	}
}

// Err tells whether the call is over. Without a timer it looks at the clock.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = c.ended()
	}
	return c.over
}

// ended tells why the context is over, if it is. The caller holds mu.
func (c *callContext) ended() error {
	if c.made != nil {
		return c.made.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value finds what the Server put in, and for the package context the ordinary
// context, once that is made.
func (c *callContext) Value(key any) any {
	c.mu.Lock()
	made := c.made
	c.mu.Unlock()
	if made != nil {
		return made.Value(key)
	}
	return c.parent.Value(key)
}

// Cancel ends the context. It may be called more than once.
func (c *callContext) Cancel() {
	c.mu.Lock()
	stop := c.stop
	if c.over == nil && stop == nil {
		c.over = context.Canceled
	}
	c.mu.Unlock()
	if stop != nil {
		stop() // without mu: it runs what hangs on the context
	}
}
