package node

import (
	"context"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// aTrace is a trace to make calls in.
func aTrace(t *testing.T) commands.TraceContext {
	t.Helper()
	trace, err := commands.ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err != nil {
		t.Fatal(err)
	}
	trace.State = "congo=t61rcWkgMzE"
	return trace
}

// seen is what a handler found in its context.
type seen struct {
	trace    commands.TraceContext
	deadline time.Time
}

// chain registers "pass" on the nodes, each of which spends a little time and
// then passes the call on to the next; it returns what each found.
func chain(t *testing.T, spend time.Duration, nodes ...*Node) chan seen {
	t.Helper()
	found := make(chan seen, 2*len(nodes))
	for i, n := range nodes {
		handle(t, n, "pass", func(ctx context.Context, _ *commands.Call) (any, error) {
			trace, _ := commands.TraceOf(ctx)
			deadline, _ := ctx.Deadline()
			found <- seen{trace, deadline}
			time.Sleep(spend)
			if i+1 == len(nodes) {
				return nil, nil
			}
			_, err := n.Call(ctx, nodes[i+1].Name(), "pass")
			return nil, err
		})
	}
	return found
}

func TestATraceGoesDownAChainOfCalls(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address()} }
		a := m.start("a", through(r.address()))
		b := m.start("b", through(r.address()))
		c := m.start("c", far)
		found := chain(t, 0, b, c)
		trace := aTrace(t)
		if _, err := a.Call(commands.WithTrace(t.Context(), trace), "b", "pass"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"b", "c, behind a relay"} {
			if got := <-found; got.trace != trace {
				t.Errorf("%s saw %+v; want %+v", name, got.trace, trace)
			}
		}
		if _, err := a.Call(t.Context(), "b", "pass"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := <-found; got.trace.Valid() {
				t.Errorf("a call without a trace arrived with %+v", got.trace)
			}
		}
	})
}

func TestATraceIsSeenByGathersTypedHandlersAndTheNodeItself(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		for _, n := range []*Node{a, b} {
			if err := commands.Func(n.Commands(), "trace", func(ctx context.Context, _ struct{}) (string, error) {
				trace, _ := commands.TraceOf(ctx)
				return trace.String() + " " + trace.State, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		trace := aTrace(t)
		want := trace.String() + " " + trace.State
		ctx := commands.WithTrace(t.Context(), trace)
		for name, o := range a.Gather(ctx, Nodes("a", "b"), "trace").All() {
			var got string
			if o.Err != nil || o.Reply.Decode(&got) != nil || got != want {
				t.Errorf("%s saw %q (%v); want %q", name, got, o.Err, want)
			}
		}
		if got, err := Invoke[string](ctx, a, "b", "trace", nil); err != nil || got != want {
			t.Errorf("Invoke: %q, %v", got, err)
		}
	})
}

// A trace element is whatever a peer sends: no handler fails over it.
func TestAMalformedTraceIsNoTrace(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "traced", func(ctx context.Context, _ *commands.Call) (any, error) {
			_, ok := commands.TraceOf(ctx)
			return ok, nil
		})
		wantOK(t, a, "b")
		conn := a.roster.all()[0].conn
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		bad := [][]byte{{0x07}, {0x80}, {0x90}, {0xa1, 'x'}, append([]byte{0x81, 0xab}, "traceparent\xa1x"...)}
		for _, raw := range bad {
			value, err := conn.Call(ctx, rpc.Request{ID: a.ids.next(b.Instance()), Path: "traced", Trace: raw})
			if err != nil || len(value) != 1 || value[0] != 0xc2 {
				t.Errorf("with the trace %x: %x, %v; want false", raw, value, err)
			}
		}
		if n := b.Stats().TracesIgnored; n != uint64(len(bad)) {
			t.Errorf("%d traces ignored, want %d", n, len(bad))
		}
	})
}

func TestTheDeadlineShrinksDownAChainOfCalls(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, c, d := m.start("a"), m.start("b"), m.start("c"), m.start("d")
		const spend = 100 * time.Millisecond
		found := chain(t, spend, b, c, d)
		for _, n := range []*Node{a, b, c} { // links and roster, so that only the calls take time
			wantOK(t, n, "d")
			wantOK(t, n, "c")
			wantOK(t, n, "b")
		}
		for _, total := range []time.Duration{0, 2 * time.Second} {
			start := time.Now()
			ctx := t.Context()
			cancel := func() {}
			want := start.Add(DefaultTimeout)
			if total > 0 {
				ctx, cancel = context.WithTimeout(ctx, total)
				want = start.Add(total)
			}
			if _, err := a.Call(ctx, "b", "pass"); err != nil {
				t.Fatal(err)
			}
			cancel()
			for hop, name := range []string{"b", "c", "d"} {
				// Whole milliseconds travel, and a message takes a moment.
				got, slack := (<-found).deadline, time.Duration(hop+1)*2*time.Millisecond
				if got.Before(want.Add(-slack)) || got.After(want.Add(slack)) {
					t.Errorf("%v in all: %s works until %v of it; want no time of its own", total, name, got.Sub(start))
				}
			}
		}
		late, cancel := context.WithTimeout(t.Context(), 3*spend/2)
		defer cancel()
		_, err := a.Call(late, "b", "pass")
		if e := failure(t, err); e.Code != commands.DeadlineExceeded {
			t.Errorf("a chain that needs more time than there is: %v", err)
		}
		time.Sleep(time.Second) // until c has noticed
		if len(found) != 2 {
			t.Errorf("%d of the nodes began; want b and c, and never d", len(found))
		}
	})
}
