package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

func TestS4_7_StartAndShutdownTwiceAndBefore(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n, err := New(m.config("a", m.host("a")))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Shutdown(t.Context()); !errors.Is(err, ErrNotStarted) {
			t.Errorf("Shutdown before Start: %v", err)
		}
		if _, err := n.Call(t.Context(), "b", "x"); !errors.Is(err, ErrNotStarted) {
			t.Errorf("Call before Start: %v", err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); !errors.Is(err, ErrStarted) {
			t.Errorf("second Start: %v", err)
		}
		for i := range 2 {
			if err := n.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown %d: %v", i+1, err)
			}
		}
		if _, err := n.Call(t.Context(), "b", "x"); !errors.Is(err, ErrShutdown) {
			t.Errorf("Call after Shutdown: %v", err)
		}
		if err := n.Start(t.Context()); !errors.Is(err, ErrStarted) {
			t.Errorf("Start after Shutdown: %v", err)
		}
	})
}

func TestS4_7_RunBlocksUntilTheContextEnds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n, err := New(m.config("a", m.host("a")))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		b := m.start("b")
		wantOK(t, b, "a")
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestR10_ShutdownLetsAcceptedCallsFinish(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		b, err := New(m.config("b", m.host("b")))
		if err != nil {
			t.Fatal(err)
		}
		handle(t, b, "slow", func(context.Context, *commands.Call) (any, error) {
			time.Sleep(2 * time.Second)
			return "done", nil
		})
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			_, err := a.Call(t.Context(), "b", "slow")
			got <- err
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-got; err != nil {
			t.Errorf("the accepted call failed: %v", err)
		}
	})
}

func TestShutdownReturnsByItsContextWhenAHandlerHangs(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		b, err := New(m.config("b", m.host("b")))
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		defer close(release)
		handle(t, b, "stuck", func(context.Context, *commands.Call) (any, error) { <-release; return nil, nil })
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = a.Call(t.Context(), "b", "stuck") }()
		synctest.Wait()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want the context's error", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Shutdown took %v, want 3 s", took)
		}
	})
}

func TestS4_24_GoodbyeLeavesAtOnceAndARestartReplaces(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		h := m.host("b")
		cfg := m.config("b", h)
		first, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOK(t, a, "b")
		shutdown(t, first)
		synctest.Wait()
		if peers := a.Peers(); len(peers) != 0 {
			t.Fatalf("b said goodbye and is still listed: %v", peers)
		}
		cfg.Identity = first.identity
		for range 2 { // the second one follows a crash, without goodbye
			h2 := m.host("b2")
			cfg.Net = h2
			n, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer shutdown(t, n)
			start := time.Now()
			reply, err := a.Call(t.Context(), "b", "__info__")
			if err != nil {
				t.Fatalf("after a restart: %v", err)
			}
			info, err := reply.Value()
			if err != nil || info.(map[string]any)["instance"] != n.Instance().String() {
				t.Errorf("the call went to another instance: %v %v", info, err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("the call after a restart took %v", took)
			}
			if peers := a.Peers(); len(peers) != 1 {
				t.Errorf("%d entries for one node", len(peers))
			}
			h2.Crash()
		}
	})
}

func TestS4_24_AKilledNodeExpires(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		h := m.host("b")
		m.startOn(h, "b")
		if err := a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		h.Crash()
		time.Sleep(40 * time.Second)
		if peers := a.Peers(); len(peers) != 0 {
			t.Errorf("b was killed 40 s ago and is still listed: %v", peers)
		}
	})
}
