package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

func TestCallRightAfterStartWaitsForDiscovery(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.host("b")
		caller := m.start("a", func(c *Config) { c.Observer = true })
		up := make(chan struct{})
		go func() {
			defer close(up)
			time.Sleep(2 * time.Second) // the callee comes up later
			m.startOn(b, "b")
		}()
		start := time.Now()
		wantOK(t, caller, "b")
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("the call took %v; it should have waited for the callee, and no longer", took)
		}
		<-up
	})
}

func TestS4_14_DefaultTimeoutIsFiveSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "hang", func(ctx context.Context, _ *commands.Call) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		start := time.Now()
		_, err := a.Call(t.Context(), "b", "hang")
		e := failure(t, err)
		if e.Code != commands.DeadlineExceeded || e.Executed == commands.ExecutedNo {
			t.Errorf("got %v, want DEADLINE_EXCEEDED that may have run", e)
		}
		if took := time.Since(start); took != DefaultTimeout {
			t.Errorf("the call took %v, want %v", took, DefaultTimeout)
		}
	})
}

func TestS4_15_EveryoneIsEachOtherNodeOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		second := m.world.LAN("attic", "10.2.0.0/24")
		var ran atomic.Int32
		a := m.startOn(m.world.Host("a", m.lan, second), "a")
		for _, name := range []string{"b", "c"} {
			n := m.startOn(m.world.Host(name, m.lan, second), name) // reachable two ways
			handle(t, n, "hit", func(context.Context, *commands.Call) (any, error) { return ran.Add(1), nil })
		}
		m.start("watcher", func(c *Config) { c.Observer = true })
		all := a.Gather(t.Context(), Everyone, "hit").All()
		if got := keys(all); !slices.Equal(got, []string{"b", "c"}) || ran.Load() != 2 {
			t.Errorf("outcomes of %v, %d runs; want b and c, 2 runs", got, ran.Load())
		}
		list := a.Gather(t.Context(), Nodes("b", "b", "b"), "hit").All()
		if len(list) != 1 || ran.Load() != 3 {
			t.Errorf("a name given three times ran %d times", ran.Load()-2)
		}
	})
}

func keys(m map[string]Outcome) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestS4_16_AtMostAtOnceTargetsInProgress(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var running, most atomic.Int32
		names := []string{"b", "c", "d", "e", "f"}
		for _, name := range names {
			n := m.start(name)
			handle(t, n, "work", func(context.Context, *commands.Call) (any, error) {
				now := running.Add(1)
				for {
					old := most.Load()
					if now <= old || most.CompareAndSwap(old, now) {
						break
					}
				}
				time.Sleep(time.Second)
				running.Add(-1)
				return nil, nil
			})
		}
		a := m.start("a")
		start := time.Now()
		g := a.Gather(t.Context(), Nodes(names...), "work", AtOnce(2))
		if err := g.Err(); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 2 {
			t.Errorf("%d targets at once, want 2", most.Load())
		}
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("5 targets, 2 at once, 1 s each took %v, want at least 3 s", took)
		}
	})
}

func TestS4_17_TimeoutBoundsTheWholeCall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		a := m.start("a")
		m.startOn(hb, "b")
		wantOK(t, a, "b")
		hb.Crash()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.Call(ctx, "b", "__echo__")
		if err == nil || time.Since(start) > 3200*time.Millisecond {
			t.Errorf("call to a crashed node: %v after %v, want an error within 3.2 s", err, time.Since(start))
		}
	})
}

func wantOK(t *testing.T, n *Node, target string) {
	t.Helper()
	if _, err := n.Call(t.Context(), target, "__echo__", Args("x")); err != nil {
		t.Fatalf("%s cannot call %s: %v", n.Name(), target, err)
	}
}

func TestS4_18_UnreachableIsATypedErrorBesideTheOthers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		m.start("b")
		g := a.Gather(t.Context(), Nodes("b", "ghost"), "__echo__")
		all := g.All()
		if all["b"].Err != nil || all["b"].Reply == nil {
			t.Errorf("b: %v", all["b"].Err)
		}
		var unknown *UnknownNameError
		if err := all["ghost"].Err; !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"b"}) {
			t.Errorf("ghost: %v, want an UnknownNameError that lists b", err)
		}
		if err := g.Err(); err == nil || !strings.Contains(err.Error(), "ghost:") {
			t.Errorf("the joined error %q does not name the node", err)
		}
	})
}

func TestS4_19_RemoteErrorsReachTheCaller(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "plain", func(context.Context, *commands.Call) (any, error) { return nil, errors.New("the lamp is broken") })
		handle(t, b, "typed", func(context.Context, *commands.Call) (any, error) {
			return nil, commands.Errorf(commands.FailedPrecondition, "no lamp")
		})
		_, err := a.Call(t.Context(), "b", "plain")
		if e := failure(t, err); e.Code != commands.Unknown || e.Message != "the lamp is broken" || e.Executed != commands.ExecutedYes {
			t.Errorf("plain: %+v", e)
		}
		_, err = a.Call(t.Context(), "b", "typed")
		if e := failure(t, err); e.Code != commands.FailedPrecondition || e.Where != commands.WhereHandler {
			t.Errorf("typed: %+v", e)
		}
		_, err = a.Call(t.Context(), "b", "nothing.here")
		if e := failure(t, err); e.Code != commands.NotFound || e.Executed != commands.ExecutedNo {
			t.Errorf("missing: %+v", e)
		}
	})
}

func TestS4_20_ListsAndEveryoneGiveOneOutcomePerNode(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		if all := a.Gather(t.Context(), Everyone, "__echo__").All(); len(all) != 0 {
			t.Errorf("alone: %d outcomes, want 0", len(all))
		}
		m.start("b")
		for _, targets := range []Targets{Everyone, Nodes("b")} {
			if all := a.Gather(t.Context(), targets, "__echo__").All(); len(all) != 1 || all["b"].Reply == nil {
				t.Errorf("one other node: %v, want an outcome of b", all)
			}
		}
		m.start("c")
		if all := a.Gather(t.Context(), Everyone, "__echo__").All(); len(all) != 2 {
			t.Errorf("two others: %d outcomes, want 2", len(all))
		}
	})
}

func TestS4_21_GetCommands(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "lights.set", answer(nil))
		lists, err := a.GetCommands(t.Context(), Nodes("b", "ghost"))
		if err == nil || !strings.Contains(err.Error(), "ghost") {
			t.Errorf("error %v does not name the missing node", err)
		}
		if !slices.Contains(lists["b"], "lights.set") || !slices.IsSorted(lists["b"]) {
			t.Errorf("commands of b: %v", lists["b"])
		}
	})
}

func TestS4_11_ValuesReturnUnchangedAndTheCallerIsVerified(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		var caller commands.Caller
		var self *Node
		handle(t, b, "keep", func(ctx context.Context, c *commands.Call) (any, error) {
			caller = c.Caller
			self, _ = FromContext(ctx)
			return commands.Arg[any](c, 0)
		})
		value := map[string]any{
			"big": int64(1)<<53 + 1, "nil": nil, "text": "日本 \u0000", "list": []any{int64(1), "two", 3.5, true},
			"bytes": []byte{0, 255}, "nested": map[string]any{"deep": []any{map[string]any{}}},
		}
		reply, err := a.Call(t.Context(), "b", "keep", Args(value))
		if err != nil {
			t.Fatal(err)
		}
		got, err := reply.Value()
		if diff := cmp.Diff(value, got); err != nil || diff != "" {
			t.Errorf("value changed on the way (%v):\n%s", err, diff)
		}
		if self != b {
			t.Error("the handler's context does not lead to its node")
		}
		if !caller.Verified || caller.Key != a.Identity() || caller.Name != "a" || caller.Network != "test" {
			t.Errorf("caller %+v is not the verified a", caller)
		}
	})
}

func TestInvokeTyped(t *testing.T) {
	type add struct {
		A int64 `json:"a"`
		B int64 `json:"b"`
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		err := commands.Func(b.Commands(), "math.add", func(_ context.Context, in add) (int64, error) { return in.A + in.B, nil })
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := Invoke[int64](t.Context(), a, "b", "math.add", add{40, 2}); err != nil || sum != 42 {
			t.Errorf("Invoke = %v, %v; want 42", sum, err)
		}
		_, err = Invoke[string](t.Context(), a, "b", "math.add", add{40, 2})
		if e := failure(t, err); e.Executed != commands.ExecutedYes {
			t.Errorf("an answer of another type: %+v, want executed yes", e)
		}
		_, err = a.Call(t.Context(), "b", "math.add", Kwargs(map[string]any{"a": 1, "c": 2}))
		if e := failure(t, err); e.Code != commands.InvalidArgument || e.Executed != commands.ExecutedNo {
			t.Errorf("wrong arguments: %+v", e)
		}
	})
}

func TestCallToItself(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		handle(t, a, "self", answer("me"))
		wantValue(t, a, "a", "self", "me")
		_, err := a.Call(t.Context(), "a", "missing")
		if e := failure(t, err); e.Code != commands.NotFound {
			t.Errorf("missing command of oneself: %v", e)
		}
	})
}

func TestS4_23_OtherKeysAndNetworksAreInvisible(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		m.start("stranger", func(c *Config) { c.Keys = crypto.Ring(crypto.GenerateKey()) })
		m.start("foreigner", func(c *Config) { c.Network = "other" })
		time.Sleep(time.Minute)
		if peers := a.Peers(); len(peers) != 0 {
			t.Errorf("a sees %v", peers)
		}
	})
}

func TestCancelReachesTheHandler(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		ended := make(chan error, 1)
		handle(t, b, "wait", func(ctx context.Context, _ *commands.Call) (any, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		_, err := a.Call(ctx, "b", "wait")
		if e := failure(t, err); e.Code != commands.Cancelled {
			t.Errorf("got %v, want CANCELLED", e)
		}
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the handler runs on although nobody waits")
		}
	})
}

func TestABadCallIsRefusedBeforeAnythingIsSent(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		for name, call := range map[string]func() error{
			"path":   func() error { _, err := a.Call(t.Context(), "b", "a..b"); return err },
			"value":  func() error { _, err := a.Call(t.Context(), "b", "x", Args(func() {})); return err },
			"target": func() error { _, err := a.Call(t.Context(), "b.c", "x"); return err },
			"gather": func() error { return a.Gather(t.Context(), Nodes("b"), "a..b").Err() },
		} {
			err := call()
			var e *commands.Error
			if !errors.As(err, &e) || e.Code != commands.InvalidArgument || e.Executed != commands.ExecutedNo || e.Where != commands.WhereCaller {
				t.Errorf("%s: %v", name, err)
			} else if strings.Count(err.Error(), "INVALID_ARGUMENT") != 1 {
				t.Errorf("%s: %q says its code twice", name, err)
			}
		}
	})
}

func TestSettleEndsWhenNoMoreMembersAnswer(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		observer := func(c *Config) { c.Observer = true }
		start := time.Now()
		if err := m.start("alone", observer).Settle(t.Context()); err != nil || time.Since(start) != 300*time.Millisecond {
			t.Errorf("with nobody there: %v after %v, want 300 ms", err, time.Since(start))
		}
		for _, name := range []string{"a", "b", "c"} {
			m.start(name)
		}
		start = time.Now()
		n := m.start("watcher", observer)
		if err := n.Settle(t.Context()); err != nil || time.Since(start) > 150*time.Millisecond || len(n.Peers()) != 3 {
			t.Errorf("with three there: %v after %v, %d known", err, time.Since(start), len(n.Peers()))
		}
	})
}
