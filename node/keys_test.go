package node

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// TestR20_RotationUnderCalls changes the key of a network in the three steps,
// on one node after the other, while all of them call each other: no call is
// lost or fails. A node that was not told is out afterwards.
func TestR20_RotationUnderCalls(t *testing.T) {
	nodes, every := 4, 20*time.Millisecond
	if *long {
		nodes, every = 10, 2*time.Millisecond
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		relay := m.relay("relay", uplink)
		var mesh []*Node
		for i := range nodes {
			name := fmt.Sprintf("n%d", i)
			mesh = append(mesh, m.startOn(m.world.Host(name, m.lan, uplink), name, func(c *Config) {
				c.Interfaces = []string{"10.1.0.0/24"}
				c.Relays = []string{relay.address()}
				c.NoLAN = i%3 == 2 // some only through the relay
			}))
			handle(t, mesh[i], "here", answer(name))
		}
		forgotten := m.start("forgotten")
		for _, n := range mesh {
			for _, o := range mesh {
				if n != o {
					wantValue(t, n, o.Name(), "here", o.Name())
				}
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		calls := rotate{t: t, nodes: mesh, every: every}
		var callers sync.WaitGroup
		for i := range mesh {
			callers.Go(func() { calls.from(ctx, i) })
		}
		old, young := m.key, crypto.GenerateKey()
		added, err := crypto.Ring(old).Add(young)
		if err != nil {
			t.Fatal(err)
		}
		promoted, err := added.Promote(young)
		if err != nil {
			t.Fatal(err)
		}
		retired, err := promoted.Retire(old)
		if err != nil {
			t.Fatal(err)
		}
		for _, ring := range []crypto.KeyRing{added, promoted, retired} {
			for _, n := range mesh {
				if err := n.SetKeys(ring); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Minute)
		stop()
		callers.Wait()
		made, failed := calls.count()
		t.Logf("%d calls during the rotation, %d failed", made, failed)
		if made == 0 || failed > 0 {
			t.Errorf("%d of %d calls failed", failed, made)
		}
		for _, n := range mesh {
			for _, s := range n.roster.all() {
				if s.peer.KeyID == crypto.Derive(old, "test").KeyID() {
					t.Errorf("%s still has a link under the retired key", n.Name())
				}
			}
		}
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := forgotten.Call(short, "n0", "here"); err == nil {
			t.Error("a node with the retired key alone can still call")
		}
	})
}

// rotate makes calls among nodes and counts how they end.
type rotate struct {
	t            *testing.T
	nodes        []*Node
	every        time.Duration
	mu           sync.Mutex
	made, failed int
}

func (r *rotate) from(ctx context.Context, i int) {
	for k := 0; ctx.Err() == nil; k++ {
		to := r.nodes[(i+1+k%(len(r.nodes)-1))%len(r.nodes)]
		reply, err := r.nodes[i].Call(r.t.Context(), to.Name(), "here")
		var name string
		if err == nil {
			err = reply.Decode(&name)
		}
		r.mu.Lock()
		r.made++
		if err != nil || name != to.Name() {
			r.failed++
			if r.failed < 5 {
				r.t.Logf("%s to %s: %q, %v", r.nodes[i].Name(), to.Name(), name, err)
			}
		}
		r.mu.Unlock()
		time.Sleep(r.every)
	}
}

func (r *rotate) count() (made, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made, r.failed
}

// A node that was asleep while the key was retired is told so when it dials.
func TestARetiredKeyIsNamed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		h := m.host("awake")
		awake := m.startOn(h, "awake")
		address := netip.AddrPortFrom(h.Addr(), awake.Addr().Port()).String()
		sleeper := m.start("sleeper", func(c *Config) { c.NoLAN, c.Peers = true, []string{address} })
		if err := sleeper.WaitFor(t.Context(), "awake"); err != nil {
			t.Fatal(err)
		}
		ring, err := crypto.Ring(m.key).Add(crypto.GenerateKey())
		if err == nil {
			ring, err = ring.Promote(ring.Usable()[1])
		}
		if err == nil {
			ring, err = ring.Retire(m.key)
		}
		if err == nil {
			err = awake.SetKeys(ring)
		}
		if err != nil {
			t.Fatal(err)
		}
		events, told := sleeper.events.subscribe(), false
		defer sleeper.events.unsubscribe(events)
		limit := time.After(2 * time.Minute)
		for !told {
			select {
			case e := <-events:
				told = strings.Contains(e.Detail, "retired")
			case <-limit:
				t.Fatal("nobody told the node that its key is retired")
			}
		}
	})
}

func TestSetKeysRefusesABadRing(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		if err := a.SetKeys(crypto.KeyRing{}); err == nil {
			t.Error("an empty ring was taken")
		}
		synctest.Wait()
		wantOK(t, a, "b")
		wantOK(t, b, "a")
	})
}
