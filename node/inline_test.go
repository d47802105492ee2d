package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/policy"
)

// A quick command passes what others pass, and is described as what it is; one
// that blocks is demoted, which event and counters tell.
func TestQuickCommandsOfANode(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var intercepted atomic.Int64
		b := m.start("b", func(c *Config) {
			p, err := policy.Parse([]byte("allow * on lights.**\nallow * on __describe__\ndefault deny\n"))
			if err != nil {
				t.Fatal(err)
			}
			c.Policy = p
			c.ServeInterceptors = []ServeInterceptor{func(ctx context.Context, _ *commands.Call, _ *commands.Command, next func(context.Context) ([]byte, error)) ([]byte, error) {
				intercepted.Add(1)
				return next(ctx)
			}}
		})
		a := m.start("a")
		seen := record(t, b)
		free := make(chan struct{})
		type none struct{}
		for _, err := range []error{
			commands.Func(b.Commands(), "lights.level", func(context.Context, none) (int, error) { return 7, nil }, commands.Inline()),
			b.Commands().Handle("lights.wait", func(context.Context, *commands.Call) (any, error) { <-free; return 8, nil }, commands.Inline()),
			b.Commands().Handle("doors.open", func(context.Context, *commands.Call) (any, error) { return 9, nil }, commands.Inline()),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		call := func(command string) error {
			_, err := a.Call(t.Context(), "b", command)
			return err
		}
		for range 3 {
			if err := call("lights.level"); err != nil {
				t.Fatal(err)
			}
			err := call("doors.open")
			if e := new(commands.Error); !errors.As(err, &e) || e.Code != commands.PermissionDenied {
				t.Fatal("the policy denies it, but:", err)
			}
		}
		waiting := make(chan error, 1)
		go func() { waiting <- call("lights.wait") }()
		time.Sleep(time.Second)
		if err := call("lights.level"); err != nil {
			t.Error("beside a handler that blocks:", err)
		}
		if e := seen.want(CommandDemoted, "", "1s"); e.Detail != "lights.wait" {
			t.Errorf("%+v", e)
		}
		close(free)
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		if s := b.Stats(); s.Inlined < 4 || s.Inlined >= s.Served || s.Demoted != 1 || s.PolicyDenied != 3 {
			t.Errorf("%+v", s)
		}
		if s := b.CommandStats()["lights.level"]; s.Calls != 4 || s.Running != 0 || intercepted.Load() < 5 {
			t.Errorf("%+v, %d intercepted", s, intercepted.Load())
		}
		if d, err := b.Commands().Describe("lights.level"); err != nil || !d.Inline {
			t.Errorf("%+v, %v", d, err)
		}
	})
}
