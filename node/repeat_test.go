package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// The callee that runs a command vanishes, and another instance of it comes up:
// the call goes on there only if it may run twice.
func TestARestartInMidCall(t *testing.T) {
	for _, c := range []struct {
		name   string
		marked []commands.Option
		opts   []CallOption
		again  bool
	}{
		{name: "plain"},
		{name: "call marked idempotent", opts: []CallOption{Idempotent()}, again: true},
		{name: "command marked idempotent", marked: []commands.Option{commands.Idempotent()}, again: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				a, h := m.start("a"), m.host("b")
				old := m.startOn(h, "b")
				began := make(chan struct{})
				handle(t, old, "work", func(ctx context.Context, _ *commands.Call) (any, error) {
					close(began)
					<-ctx.Done()
					return nil, ctx.Err()
				}, c.marked...)
				got := make(chan error, 1)
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					reply, err := a.Call(ctx, "b", "work", c.opts...)
					var text string
					if err == nil {
						err = reply.Decode(&text)
					}
					if err == nil && text != "done by another" {
						err = errors.New("answered " + text)
					}
					got <- err
				}()
				<-began
				h.Crash()
				cfg := m.config("b", m.host("b2"))
				cfg.Identity = old.identity
				young, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				handle(t, young, "work", answer("done by another"), c.marked...)
				if err := young.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer shutdown(t, young)
				err = <-got
				if c.again {
					if err != nil {
						t.Errorf("the call did not go on at the new instance: %v", err)
					}
					return
				}
				if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe {
					t.Errorf("%v; want UNAVAILABLE, may have run", e)
				}
			})
		})
	}
}

// A callee that has no outcome any more refuses a repeat; an idempotent call
// then runs again under another id.
func TestForgottenOutcomes(t *testing.T) {
	gone := &commands.Error{Code: commands.Unavailable, Executed: commands.ExecutedYes, Where: commands.WhereQueue}
	failed := &commands.Error{Code: commands.Unavailable, Executed: commands.ExecutedYes, Where: commands.WhereHandler}
	for _, c := range []struct {
		err        *commands.Error
		idempotent bool
		want       bool
	}{{gone, true, true}, {gone, false, false}, {failed, true, false}} {
		call := &calling{node: &Node{ids: newCallIDs()}, req: &request{idempotent: c.idempotent}, sent: true}
		before := call.id
		if got := call.forgotten(c.err); got != c.want || (call.id != before) != c.want {
			t.Errorf("%v, idempotent %t: repeated %t under %v (before %v)", c.err, c.idempotent, got, call.id, before)
		}
	}
}
