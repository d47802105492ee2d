package relayserver_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
)

// S4-33: a member that vanishes silently is DOWN after two missed keepalives; one
// that only pings stays.
func TestS4_33_VanishedMemberIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.0.0.0/8")
		own, alices, bobs := w.Host("relay", lan), w.Host("alice", lan), w.Host("bob", lan)
		s := startSite(t, defaults(), own, alices, "[::]:3376", "relay:3376")
		n := network()
		alice := s.join(n)
		s.host = bobs
		bob := s.join(n)
		time.Sleep(time.Hour)
		select {
		case <-alice.down:
			t.Fatal("bob is down although it pings")
		default:
		}
		start := time.Now()
		w.Partition(own, bobs)
		if got := <-alice.down; got != bob.Self() {
			t.Errorf("%v is down", got)
		}
		if d := time.Since(start); d < 30*time.Second || d > 63*time.Second {
			t.Errorf("down after %v", d)
		}
		if st := s.server.Stats(); st.Silent != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// DRAIN tells all clients, keeps new ones out with a word, and ends when the last
// has left.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, defaults())
		synctest.Wait()
		if !s.server.Healthy() {
			t.Error("not healthy")
		}
		var clients []client
		for range 10 {
			clients = append(clients, s.join(network()))
		}
		start, done := time.Now(), make(chan time.Duration, 1)
		go func() {
			s.server.Drain(context.Background())
			done <- time.Since(start)
		}()
		for _, c := range clients {
			if after := <-c.drains; after != 10*time.Second {
				t.Errorf("come back after %v", after)
			}
		}
		if s.server.Healthy() {
			t.Error("healthy while draining")
		}
		_, err := relay.Connect(context.Background(), s.config(network(), newEvents()))
		wantRefused(t, err, relay.RefusedDraining)
		for _, c := range clients {
			time.Sleep(time.Second)
			c.Close(nil)
		}
		if d := <-done; d != 10*time.Second {
			t.Errorf("drained after %v", d)
		}
	})
}

// Drain ends with its context, and Close at once, whatever clients do.
func TestDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, defaults())
		k := s.rawMember(network())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		s.server.Drain(ctx)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("drained after %v", d)
		}
		k.want("DRAIN 00002710", "end")
	})
}

// S4-32: after a restart with the same identity the pin still fits, and clients
// that held on to it join again.
func TestS4_32_RestartKeepsThePin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.0.0.0/8")
		own, clients := w.Host("relay", lan), w.Host("client", lan)
		cfg, n := defaults(), network()
		cfg.Identity = crypto.NewIdentity()
		for range 2 {
			s := startSite(t, cfg, own, clients, "[::]:3376", "relay:3376")
			c := s.config(n, nil)
			c.Address.Pin, c.Address.Pinned = [32]byte(cfg.Identity.Public()), true
			k := s.joinWith(c)
			s.close()
			if err := <-k.ended; err == nil {
				t.Error("the client lives on")
			}
		}
	})
}
