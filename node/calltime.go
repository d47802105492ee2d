package node

import (
	"context"
	"time"
)

// limit is the deadline of a call whose context has none. Most calls end long
// before it and wait for nothing but their answer, so it becomes a context, with
// a timer of its own, only where something else has to be waited for.
type limit struct {
	at     time.Time // zero: the context has a deadline
	ctx    context.Context
	cancel context.CancelFunc
}

// bound is ctx with the deadline. It is the caller's goroutine that uses a limit,
// except while that waits for an attempt, which then uses it under its mu.
func (l *limit) bound(ctx context.Context) context.Context {
	if l.at.IsZero() {
		return ctx
	}
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithDeadline(ctx, l.at)
	}
	return l.ctx
}

// beside is the deadline of what gets a context without it; zero once bound has
// put it into one.
func (l *limit) beside() time.Time {
	if l.ctx != nil {
		return time.Time{}
	}
	return l.at
}

// release ends what bound made.
func (l *limit) release() {
	if l.cancel != nil {
		l.cancel()
	}
}
