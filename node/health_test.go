package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
)

func addCheck(t *testing.T, n *Node, name string, check func(context.Context) error) {
	t.Helper()
	if err := n.AddHealthCheck(name, check); err != nil {
		t.Fatal(err)
	}
}

// healthOf asks a node by call.
func healthOf(t *testing.T, n *Node, target string) Health {
	t.Helper()
	h, err := Invoke[Health](t.Context(), n, target, "__health__", nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHealthNamesEachFailingCheck(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		if h := healthOf(t, a, "b"); h.Status != HealthOK || len(h.Checks) != 0 || !h.Time.Equal(time.Now()) {
			t.Errorf("without checks: %+v", h)
		}
		addCheck(t, b, "disk", func(context.Context) error { time.Sleep(30 * time.Millisecond); return nil })
		if h := healthOf(t, a, "b"); h.Status != HealthOK || !h.Checks["disk"].OK {
			t.Errorf("the new check is not in the next answer: %+v", h)
		}
		addCheck(t, b, "error", func(context.Context) error { return errors.New("no \xff" + strings.Repeat("x", 300)) })
		addCheck(t, b, "silent", func(context.Context) error { return errors.New("") })
		addCheck(t, b, "panic", func(context.Context) error { panic("secret") })
		addCheck(t, b, "exit", func(context.Context) error { runtime.Goexit(); return nil })
		addCheck(t, b, "heeds", func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("query: %w", ctx.Err()) })
		stuck := make(chan struct{})
		defer close(stuck) // before the node is shut down
		addCheck(t, b, "stuck", func(context.Context) error { <-stuck; return nil })
		start := time.Now()
		h := healthOf(t, a, "b")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v, want the time of one check", took)
		}
		want := map[string]CheckResult{
			"disk":   {true, "", 30},
			"error":  {false, "no \uFFFD" + strings.Repeat("x", 196) + "…", 0},
			"silent": {false, "failed without saying why", 0},
			"panic":  {false, "the check panicked", 0},
			"exit":   {false, "the check panicked", 0},
			"heeds":  {false, "did not end within 2s", 2000},
			"stuck":  {false, "did not end within 2s", 2000},
		}
		if diff := cmp.Diff(want, h.Checks); h.Status != HealthFailing || diff != "" {
			t.Errorf("%s:\n%s", h.Status, diff)
		}
		time.Sleep(time.Second)
		if r := healthOf(t, a, "b").Checks["stuck"]; r.OK || r.Error != "an earlier run of this check has not ended yet" {
			t.Errorf("a check that still runs: %+v", r)
		}
	})
}

// However many ask, each check runs once a second at most.
func TestHealthIsCheapToPoll(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b")
		var runs atomic.Int32
		addCheck(t, b, "disk", func(context.Context) error {
			time.Sleep(100 * time.Millisecond)
			runs.Add(1)
			return nil
		})
		poll := func() {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if h, err := b.Health(t.Context()); err != nil || !h.Checks["disk"].OK {
						t.Errorf("%+v, %v", h, err)
					}
				})
			}
			all.Wait()
		}
		poll()
		time.Sleep(999 * time.Millisecond)
		poll()
		if n := runs.Load(); n != 1 {
			t.Errorf("ran %d times within a second", n)
		}
		time.Sleep(time.Millisecond)
		poll()
		if n := runs.Load(); n != 2 {
			t.Errorf("ran %d times, want another run after a second", n)
		}
	})
}

func TestHealthEndsWithItsContextAndTheNode(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n, err := New(m.config("b", m.host("b")))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		addCheck(t, n, "slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := n.Health(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		start := time.Now()
		shutdown(t, n)
		if took := time.Since(start); took >= time.Second {
			t.Errorf("shutting down waited %v for a check", took)
		}
		synctest.Wait()
		if h, err := n.Health(t.Context()); err != nil || h.Status != HealthDraining {
			t.Errorf("after the end: %+v, %v", h, err)
		}
	})
}

func TestHealthChecksThatAreRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := m.start("b", func(c *Config) { c.Limits.HealthChecks = 2 })
		fine := func(context.Context) error { return nil }
		addCheck(t, n, "disk", fine)
		for _, c := range []struct {
			name  string
			check func(context.Context) error
			code  commands.Code
		}{
			{"", fine, commands.InvalidArgument}, {"a\nb", fine, commands.InvalidArgument}, {"x", nil, commands.InvalidArgument},
			{"disk", fine, commands.AlreadyExists}, {"memory", fine, 0}, {"third", fine, commands.ResourceExhausted},
		} {
			err := n.AddHealthCheck(c.name, c.check)
			if c.code == 0 && err == nil || c.code != 0 && errors.Is(err, c.code) {
				continue
			}
			t.Errorf("%q: %v, want %v", c.name, err, c.code)
		}
	})
}
