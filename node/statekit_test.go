package node

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

// moves is a log handler that keeps the states of links, as the log tells them.
type moves struct {
	mu   sync.Mutex
	list []moved
}

type moved struct {
	ident, peer string
	direction   Direction
	from, to    State
	reason      Reason
	at          time.Time
}

func (m *moves) Enabled(context.Context, slog.Level) bool { return true }
func (m *moves) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m *moves) WithGroup(string) slog.Handler            { return m }

func (m *moves) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "link state" {
		return nil
	}
	one := moved{at: time.Now()}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "ident":
			one.ident = a.Value.String()
		case "peer":
			one.peer = a.Value.String()
		case "direction":
			one.direction = Direction(a.Value.Int64())
		case "from":
			one.from = State(a.Value.Int64())
		case "to":
			one.to = State(a.Value.Int64())
		case "reason":
			one.reason = Reason(a.Value.Int64())
		}
		return true
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, one)
	return nil
}

// of are the states that links of a direction went through, in order.
func (m *moves) of(d Direction) (states []State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.list {
		if one.direction == d {
			states = append(states, one.to)
		}
	}
	return states
}

// times are when a state was entered.
func (m *moves) times(to State) (at []time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.list {
		if one.to == to {
			at = append(at, one.at)
		}
	}
	return at
}

// watched makes a node log its states.
func watched(m *moves) func(*Config) {
	return func(c *Config) { c.Logger = slog.New(m) }
}

// fixed is a node that is only found at its address, port 4000.
func fixed(c *Config) { c.NoLAN, c.Listen = true, ":4000" }

// towards makes a node dial the host's port 4000 and nothing else.
func towards(h *meshtest.Host) func(*Config) {
	return func(c *Config) { c.NoLAN, c.Peers = true, []string{h.Addr().String() + ":4000"} }
}

func peerOf(t *testing.T, n *Node, name string) *Peer {
	t.Helper()
	p, ok := n.Peer(name)
	if !ok {
		t.Fatalf("%s knows no peer %q", n.Name(), name)
	}
	return p
}

// wantStatus compares state and reason once all is quiet.
func wantStatus(t *testing.T, p *Peer, state State, reason Reason) {
	t.Helper()
	synctest.Wait()
	s := p.Status()
	if s.State != state || s.Reason != reason {
		t.Errorf("%q is %v, %v (%v); want %v, %v", s.Name, s.State, s.Reason, s.Err, state, reason)
	}
}

// wantLegal fails if a node made, or was about to make, a move that may not be.
func wantLegal(t *testing.T, m *moves, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		if illegal := n.Stats().IllegalMoves; illegal != 0 {
			t.Errorf("%s was about to make %d illegal moves", n.Name(), illegal)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.list {
		if one.from != 0 && !slices.Contains(legal[one.from], one.to) {
			t.Errorf("illegal move: %+v", one)
		}
	}
}

// afterRetiring is the ring of who went on from the mesh's key to another.
func (m *mesh) afterRetiring(t *testing.T) crypto.KeyRing {
	t.Helper()
	young := crypto.GenerateKey()
	ring, err := crypto.Ring(m.key).Add(young)
	if err == nil {
		ring, err = ring.Promote(young)
	}
	if err == nil {
		ring, err = ring.Retire(m.key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func oneAddr(addr netip.Addr, port uint16) []netip.AddrPort {
	return []netip.AddrPort{netip.AddrPortFrom(addr, port)}
}
