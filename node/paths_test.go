package node

import (
	"context"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/meshtest"
)

// address is where a node on a host listens, as others on the LAN dial it.
func address(h *meshtest.Host, n *Node) string {
	return netip.AddrPortFrom(h.Addr(), n.Addr().Port()).String()
}

// slow registers a command that takes a while and counts its runs.
func slow(t *testing.T, n *Node, d time.Duration) *atomic.Int32 {
	t.Helper()
	var runs atomic.Int32
	handle(t, n, "slow", func(ctx context.Context, _ *commands.Call) (any, error) {
		runs.Add(1)
		select {
		case <-time.After(d):
			return "done", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	return &runs
}

func TestABrokenLinkIsRetriedAndTheCommandRunsOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		ha, hb := m.host("a"), m.host("b")
		a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
		runs := slow(t, b, 2*time.Second)
		got := make(chan error, 1)
		go func() {
			_, err := a.Call(t.Context(), "b", "slow")
			got <- err
		}()
		time.Sleep(time.Second)
		m.world.Reset(ha, hb)
		if err := <-got; err != nil || runs.Load() != 1 {
			t.Errorf("after a reset in mid-call: %v, %d runs; want an answer and 1 run", err, runs.Load())
		}
		if a.Stats().Retries == 0 {
			t.Error("the retry was not counted")
		}
	})
}

func TestASilentPathMovesTheCallToAnotherWithinThreeSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		other := m.world.LAN("cable", "10.2.0.0/24")
		ha, hb := m.world.Host("a", m.lan, other), m.world.Host("b", m.lan, other)
		a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
		runs := slow(t, b, 2*time.Second)
		wantOK(t, a, "b")
		used := netip.MustParseAddrPort(a.Peers()[0].Paths[0].Addr).Addr()
		cut := m.lan
		if netip.MustParsePrefix("10.2.0.0/24").Contains(used) {
			cut = other
		}
		start := time.Now()
		got := make(chan *Reply, 1)
		go func() {
			reply, err := a.Call(t.Context(), "b", "slow")
			if err != nil {
				t.Errorf("the call failed: %v", err)
			}
			got <- reply
		}()
		time.Sleep(500 * time.Millisecond)
		hb.RemoveInterface(cut) // what used it stalls, and nobody is told
		reply := <-got
		if took := time.Since(start); took > 5*time.Second || runs.Load() != 1 {
			t.Errorf("the call took %v and ran %d times", took, runs.Load())
		}
		if reply != nil && netip.MustParseAddrPort(reply.Path.Addr).Addr() == used {
			t.Errorf("the answer came over %v, which is cut", used)
		}
		if a.Stats().SecondPaths != 1 {
			t.Errorf("%d second paths, want 1", a.Stats().SecondPaths)
		}
	})
}

func TestARestartInMidCallSaysMaybeUnlessIdempotent(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, idempotent := range []bool{false, true} {
			name := "b" + strconv.FormatBool(idempotent)
			a := m.start("a" + name)
			h := m.host(name)
			b := m.startOn(h, name)
			id := b.identity
			slow(t, b, time.Hour)
			got := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				var opts []CallOption
				if idempotent {
					opts = append(opts, Idempotent())
				}
				_, err := a.Call(ctx, name, "slow", opts...)
				got <- err
			}()
			time.Sleep(time.Second)
			h.Crash()
			cfg := m.config(name, m.host(name))
			cfg.Identity = id
			again, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			handle(t, again, "slow", answer("new")) // before the start: the call comes at once
			if err := again.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { shutdown(t, again) })
			err = <-got
			if idempotent {
				if err != nil {
					t.Errorf("idempotent: %v, want the new instance's answer", err)
				}
				continue
			}
			if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe {
				t.Errorf("not idempotent: %v, want UNAVAILABLE, executed maybe", e)
			}
		}
	})
}

func TestNoPathFailsSoonAndSaysWhatWasTried(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		h := m.host("b")
		b := m.startOn(h, "b")
		if err := a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		_ = b.listener.Close() // the port is closed, the adverts go on
		start := time.Now()
		_, err := a.Call(t.Context(), "b", "__echo__")
		e := failure(t, err)
		if e.Code != commands.Unavailable || e.Executed != commands.ExecutedNo || e.Hint == "" {
			t.Errorf("got %+v", e)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %v to say so", took)
		}
	})
}

func TestStaticPeersAreFoundWithoutTheLAN(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b", func(c *Config) { c.NoLAN = true; c.Listen = ":4000" })
		a := m.start("a", func(c *Config) { c.NoLAN = true; c.Peers = []string{address(hb, b)} })
		wantOK(t, a, "b")
		wantOK(t, b, "a")
		for _, s := range a.roster.all() {
			s.conn.Close(errSlept)
		}
		synctest.Wait()
		time.Sleep(5 * time.Second)
		if len(a.Peers()) != 1 {
			t.Error("a lost static peer was not dialled again")
		}
	})
}

func TestSimultaneousDialsLeaveOneLink(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.lan.SetLatency(10 * time.Millisecond)
		a, b := m.start("a"), m.start("b")
		if err := a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if err := b.WaitFor(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 40)
		for range 20 {
			go func() { _, err := a.Call(t.Context(), "b", "__echo__"); done <- err }()
			go func() { _, err := b.Call(t.Context(), "a", "__echo__"); done <- err }()
		}
		for range 40 {
			if err := <-done; err != nil {
				t.Errorf("a call was lost: %v", err)
			}
		}
		time.Sleep(time.Second)
		pa, pb := a.roster.all(), b.roster.all()
		if len(pa) != 1 || len(pb) != 1 || !pa[0].link.Initiator() || pb[0].link.Initiator() {
			t.Errorf("%d and %d links are left; want one, dialled by a, the lower name", len(pa), len(pb))
		}
	})
}

func TestIdleLinksAreClosed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, _ := m.start("a"), m.start("b")
		wantOK(t, a, "b")
		time.Sleep(11 * time.Minute)
		if left := len(a.roster.all()); left != 0 {
			t.Errorf("%d links are left after 11 idle minutes", left)
		}
		wantOK(t, a, "b")
	})
}

func TestSessionsAreRenewedAfterAnHour(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		runs := slow(t, b, time.Second)
		wantOK(t, a, "b")
		first := a.roster.all()[0]
		for range 70 {
			time.Sleep(time.Minute)
			if _, err := a.Call(t.Context(), "b", "slow"); err != nil {
				t.Fatalf("a call during renewal failed: %v", err)
			}
		}
		now := a.roster.all()
		if len(now) != 1 || now[0] == first || runs.Load() != 70 {
			t.Errorf("after 70 minutes: %d links, renewed %v, %d runs", len(now), len(now) > 0 && now[0] != first, runs.Load())
		}
	})
}
