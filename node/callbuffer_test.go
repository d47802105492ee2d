package node

import (
	"bytes"
	"context"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// The encoded arguments of a call lie in a buffer that later calls use, unless
// somebody may hold on to them.
func TestArgumentsThatAreKeptStayWhatTheyWere(t *testing.T) {
	var kept [][]byte
	keep := func(_ context.Context, c *commands.Call) (any, error) {
		kept = append(kept, c.RawArgs, c.RawKwargs)
		return nil, nil
	}
	const rounds = 64 // a pool does not promise to hand out what it got
	overwrite := func(t *testing.T, n *Node) {
		for range rounds {
			if _, err := n.Call(t.Context(), "b", "__echo__", Args("other"), Kwargs(map[string]any{"k": "other"})); err != nil {
				t.Fatal(err)
			}
		}
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		m.start("b")
		if err := a.Commands().Handle("keep", keep); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Call(t.Context(), "a", "keep", Args("first"), Kwargs(map[string]any{"k": "first"})); err != nil {
			t.Fatal(err)
		}
		overwrite(t, a)
		if !bytes.Contains(kept[0], []byte("first")) || !bytes.Contains(kept[1], []byte("first")) {
			t.Errorf("a handler of this node kept %q, %q", kept[0], kept[1])
		}
	})
	inMesh(t, func(t *testing.T, m *mesh) {
		var again func(context.Context) (*Reply, error) // the call, kept by an interceptor
		a := m.start("a", func(c *Config) {
			c.CallInterceptors = []CallInterceptor{func(ctx context.Context, _ CallInfo, next func(context.Context) (*Reply, error)) (*Reply, error) {
				if again == nil {
					again = next
				}
				return next(ctx)
			}}
		})
		b := m.start("b")
		mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[string](c, 0) }
		if err := b.Commands().Handle("mirror", mirror); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Call(t.Context(), "b", "mirror", Args("first")); err != nil {
			t.Fatal(err)
		}
		overwrite(t, a)
		reply, err := again(t.Context())
		if value, _ := reply.Value(); err != nil || value != "first" {
			t.Errorf("the call that an interceptor made again: %v, %v", value, err)
		}
	})
}

func TestOptionsAddUp(t *testing.T) {
	shared := []any{1, 2, 3}
	o := collect([]CallOption{{}, Args(shared[:1]...), Idempotent(), Args(4), Kwargs(map[string]any{"a": 1}), Kwargs(map[string]any{"b": 2}), AtOnce(0)})
	if len(o.args) != 2 || o.args[0] != 1 || o.args[1] != 4 || len(o.kwargs) != 2 || !o.idempotent || o.atOnce != 1 {
		t.Errorf("%+v", o)
	}
	if shared[1] != 2 {
		t.Error("the caller's slice was written to")
	}
}
