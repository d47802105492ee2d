package node

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
)

func TestStateARestartedNodeKnowsTheRelaysThatItLearned(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		r := m.relay("relay", uplink)
		host := m.world.Host("a", m.lan, uplink)
		lan := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"} }
		b := m.startOn(m.world.Host("b", m.lan, uplink), "b", lan, through(r.address()))
		a := m.startLearner(host, dir)
		wantOK(t, a, "b")
		wantJoined(t, a, r, true)
		shutdown(t, a)
		shutdown(t, b)

		a = m.startLearner(host, dir) // nobody is there to name the relay
		wantJoined(t, a, r, true)
		r.down()
		time.Sleep(time.Minute) // it is given up, but not forgotten
		if infos := a.Relays(); len(infos) != 0 {
			t.Errorf("a dead relay is kept: %+v", infos)
		}
		shutdown(t, a)
		r.up()
		a = m.startLearner(host, dir)
		wantJoined(t, a, r, true)
		shutdown(t, a)

		if err := os.Remove(filepath.Join(dir, "test", "a", "learned-relays")); err != nil {
			t.Fatal(err)
		}
		a = m.startLearner(host, dir)
		wantJoined(t, a, r, false)
		shutdown(t, a)
	})
}

// startLearner starts a node that may dial learned relays at any address.
func (m *mesh) startLearner(h *meshtest.Host, dir string) *Node {
	m.t.Helper()
	cfg := m.config("a", h)
	cfg.Interfaces, cfg.StateDir = []string{"10.1.0.0/24"}, dir
	n, err := New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	n.cfg.allowRelay = func(netip.Addr) bool { return true }
	if err := n.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// wantJoined checks whether the node has joined a relay by itself.
func wantJoined(t *testing.T, n *Node, r *station, want bool) {
	t.Helper()
	time.Sleep(10 * time.Second)
	infos := n.Relays()
	joined := len(infos) == 1 && infos[0].Up && infos[0].Learned && strings.HasPrefix(infos[0].Address, r.address())
	if joined != want {
		t.Errorf("relays: %+v; joined wanted: %v", infos, want)
	}
}

func TestStateLearnedRelaysAreBoundedAndTheWorkingOnesFirst(t *testing.T) {
	dir := t.TempDir()
	open := func() *Node {
		n, err := New(Config{Name: "a", Network: "n", Keys: crypto.Ring(crypto.GenerateKey()), StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	address := func(i int) relay.Address {
		a, err := relay.ParseAddress(fmt.Sprintf("relay%d.example:3376", i))
		if err != nil {
			t.Fatal(err)
		}
		a.Pin, a.Pinned = relay.ID{byte(i)}, true
		return a
	}
	n := open()
	for i := range maxLearned {
		n.relayBook.add(address(i))
	}
	n.relayBook.demote(address(3)) // does not work
	n.relayBook.add(address(100))  // so it makes room
	got := open().learned
	if len(got) != maxLearned || got[0] != address(100) || got[1] != address(maxLearned-1) {
		t.Errorf("%d relays: %v", len(got), got)
	}
	for _, a := range got {
		if a == address(3) {
			t.Error("the relay that did not work is kept before others that did")
		}
	}
	file := filepath.Join(dir, "n", "a", "learned-relays")
	if err := os.WriteFile(file, []byte("fernmesh learned-relays 1\nrelay.example:1\n"+address(5).String()+"\nend\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n = open()
	if troubles := n.StateTroubles(); len(troubles) != 1 || !strings.Contains(troubles[0].Error(), file) || len(n.learned) != 1 {
		t.Errorf("a relay without its id: %v, %v", troubles, n.learned)
	}
	if again := open(); len(again.StateTroubles()) != 0 || len(again.learned) != 1 {
		t.Errorf("the new file: %v, %v", again.StateTroubles(), again.learned)
	}
}
