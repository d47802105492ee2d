package rpc

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// until is a request for path with a deadline of its own, so far from now.
func until(path string, left time.Duration, args ...any) Request {
	req := request(path, args...)
	req.Deadline = time.Now().Add(left)
	return req
}

// wantLate checks the error of a call that ran out.
func wantLate(t *testing.T, err error, sent bool) {
	t.Helper()
	var abandoned *AbandonedError
	if !errors.As(err, &abandoned) || abandoned.Sent != sent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want one that ran out, sent: %v", err, sent)
	}
}

func TestEachCallEndsAtItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		cancelled := make(chan time.Time, 3)
		b.handle(t, "wait", func(ctx context.Context, _ *commands.Call) (any, error) {
			<-ctx.Done()
			cancelled <- time.Now()
			return nil, ctx.Err()
		})
		e := connect(t, a, b, Config{})
		e.netA.(*memory).stall(true) // the caller ends them itself
		start := time.Now()
		var wg sync.WaitGroup
		for _, left := range []time.Duration{3 * time.Second, time.Second, 2 * time.Second} { // the alarm moves both ways
			wg.Go(func() {
				_, err := e.a.Call(t.Context(), until("wait", left))
				wantLate(t, err, true)
				if took := time.Since(start); took != left {
					t.Errorf("the call for %v ended after %v", left, took)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		for range 3 {
			if took := (<-cancelled).Sub(start); took > 3*time.Second+time.Millisecond {
				t.Errorf("a handler's context ended after %v", took)
			}
		}
		if e.a.Pending() != 0 {
			t.Error("calls are pending still")
		}
	})
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		for _, test := range []struct{ own, context, want time.Duration }{
			{300 * time.Millisecond, 800 * time.Millisecond, 300 * time.Millisecond},
			{800 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), test.context)
			start := time.Now()
			ended := make(chan error, 1)
			go func() { _, err := c.Call(ctx, until("x", test.own)); ended <- err }()
			call, err := wire.ParseCall(ev.next(wire.TypeCall).Body)
			if err != nil || call.Remaining != test.want {
				t.Errorf("the peer was told %v, %v; want %v", call.Remaining, err, test.want)
			}
			wantLate(t, <-ended, true)
			if took := time.Since(start); took != test.want {
				t.Errorf("ended after %v, want %v", took, test.want)
			}
			ev.next(wire.TypeCancel)
			cancel()
		}
		_, err := c.Call(t.Context(), until("x", 0))
		wantLate(t, err, false)
	})
}

// A call that waits for credit or for room has not been sent whole when its
// deadline comes.
func TestDeadlineBoundsTheSendingOfALargeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		start := time.Now()
		_, err := c.Call(t.Context(), until("x", time.Second, make([]byte, 2*wire.CallCredit))) // the peer grants nothing
		wantLate(t, err, false)
		if took := time.Since(start); took != time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestWatcherMayEndACallAsItsContextWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{Timers: Timers{Dead: time.Minute}})
		w := make(giver, 1)
		ended := begins(t, e, b, w)
		e.netA.(*memory).stall(true)
		giveUp := <-w
		giveUp()
		var abandoned *AbandonedError
		if err := <-ended; !errors.As(err, &abandoned) || !abandoned.Sent || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		e.netA.(*memory).stall(false)
		free, next := make(chan struct{}), make(chan error, 1)
		b.handle(t, "again", func(context.Context, *commands.Call) (any, error) { <-free; return nil, nil })
		go func() { _, err := e.a.Call(t.Context(), request("again")); next <- err }() // it uses what the first one used
		synctest.Wait()
		giveUp()
		close(free)
		if err := <-next; err != nil {
			t.Fatalf("another call was ended: %v", err)
		}
	})
}

// giver is a Watcher that hands out how to end the call.
type giver chan func()

func (g giver) Suspect(giveUp func()) { g <- giveUp }
