package node

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
)

func TestR34_OnlyPublicAddressesInAnySpelling(t *testing.T) {
	for spelling, want := range map[string]bool{
		"9.9.9.9": true, "2620:fe::fe": true, "::ffff:9.9.9.9": true,
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.0.1": false, "::ffff:192.168.0.1": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "fec0::1": false,
		"100.64.0.1": false, "192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.255.33.76": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "100::1": false,
	} {
		if got := public(netip.MustParseAddr(spelling)); got != want {
			t.Errorf("public(%s) = %v, want %v", spelling, got, want)
		}
	}
}

// learning is a node b that uses a relay a does not know, and a that hears of
// it over the LAN; allow overrides which addresses a may dial.
func learning(m *mesh, allow func(netip.Addr) bool) (a *Node, r *station) {
	m.t.Helper()
	uplink := m.world.LAN("uplink", "10.9.0.0/24")
	r = m.relay("relay", uplink)
	hosts := map[string]*meshtest.Host{"a": m.world.Host("a", m.lan, uplink), "b": m.world.Host("b", m.lan, uplink)}
	lan := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"} }
	m.startOn(hosts["b"], "b", lan, through(r.address()))
	cfg := m.config("a", hosts["a"])
	lan(&cfg)
	a, err := New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	if allow != nil {
		a.cfg.allowRelay = allow
	}
	if err := a.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { shutdown(m.t, a) })
	wantOK(m.t, a, "b")
	return a, r
}

func TestS4_27_RelaysAreLearnedFromOtherNodes(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, r := learning(m, func(netip.Addr) bool { return true })
		time.Sleep(10 * time.Second)
		infos := a.Relays()
		if len(infos) != 1 || !infos[0].Up || !infos[0].Learned || !strings.HasPrefix(infos[0].Address, r.address()) {
			t.Fatalf("relays of a: %+v; want the one that b uses", infos)
		}
		r.down() // a learned relay that dies is given up
		time.Sleep(time.Minute)
		if infos := a.Relays(); len(infos) != 0 {
			t.Errorf("a dead learned relay is kept: %+v", infos)
		}
		r.up()
	})
}

func TestR34_ALearnedRelayOnThePrivateNetworkIsNeverDialled(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, r := learning(m, nil)
		time.Sleep(time.Minute)
		if stats := r.server.Stats(); stats.Members != 1 || stats.Connections != 1 {
			t.Errorf("the relay has %d members and %d connections; a was made to contact a private address", stats.Members, stats.Connections)
		}
		for _, i := range a.Relays() {
			if i.Up {
				t.Errorf("a private relay was joined: %+v", i)
			}
		}
	})
}
