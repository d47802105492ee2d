package rpc

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

type contextKey struct{}

// Each case ends a context after a second, before somebody waits for it, while
// somebody does, and when somebody comes afterwards.
func TestCallContextEndsAsAnOrdinaryOne(t *testing.T) {
	ends := map[string]struct {
		after time.Duration // the deadline; 0 is none
		end   func(c *callContext, parent context.CancelFunc)
		want  error
	}{
		"deadline": {time.Second, func(*callContext, context.CancelFunc) {}, context.DeadlineExceeded},
		"cancel":   {0, func(c *callContext, _ context.CancelFunc) { c.Cancel() }, context.Canceled},
		"parent":   {time.Minute, func(_ *callContext, parent context.CancelFunc) { parent() }, context.Canceled},
	}
	for name, end := range ends {
		for _, waits := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
				defer cancel()
				var c callContext
				var deadline time.Time
				if end.after > 0 {
					deadline = time.Now().Add(end.after)
				}
				c.init(parent, deadline)
				defer c.Cancel()
				before := runtime.NumGoroutine()
				var child context.Context = &c
				told := make(chan struct{})
				if waits {
					var stop context.CancelFunc
					child, stop = context.WithCancel(context.WithValue(&c, contextKey{}, "value"))
					defer stop()
					context.AfterFunc(child, func() { close(told) })
					if n := runtime.NumGoroutine(); n != before {
						t.Errorf("%s: a derived context costs %d goroutines", name, n-before)
					}
				}
				if at, ok := c.Deadline(); ok != (end.after > 0) || !at.Equal(deadline) {
					t.Errorf("%s: deadline %v, %v", name, at, ok)
				}
				if c.Err() != nil || child.Err() != nil || c.Value(contextKey{}) != "value" {
					t.Errorf("%s: before its end: %v, %v", name, c.Err(), c.Value(contextKey{}))
				}
				time.Sleep(time.Second)
				end.end(&c, cancel)
				if waits {
					<-told
				}
				if c.Err() != end.want || child.Err() != end.want || context.Cause(&c) != end.want {
					t.Errorf("%s, waits %v: %v, child %v, cause %v, want %v", name, waits, c.Err(), child.Err(), context.Cause(&c), end.want)
				}
				c.Cancel() // changes nothing any more
				<-c.Done()
				if c.Err() != end.want {
					t.Errorf("%s, waits %v: %v after Done, want %v", name, waits, c.Err(), end.want)
				}
			})
		}
	}
}
