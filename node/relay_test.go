package node

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/node/internal/presence"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// station is a relay on a host of its own, outside of the LANs of its clients.
type station struct {
	m        *mesh
	host     *meshtest.Host
	identity *crypto.Identity
	server   *relayserver.Server
	served   chan struct{}
}

// relay brings up a relay on the LANs given, port 3376.
func (m *mesh) relay(name string, lans ...*meshtest.LAN) *station {
	m.t.Helper()
	s := &station{m: m, host: m.world.Host(name, lans...), identity: crypto.NewIdentity()}
	s.up()
	m.t.Cleanup(s.down)
	return s
}

func (s *station) up() {
	s.m.t.Helper()
	server, err := relayserver.New(relayserver.Config{Identity: s.identity})
	if err != nil {
		s.m.t.Fatal(err)
	}
	l, err := s.host.Listen(s.m.t.Context(), netip.MustParseAddrPort("0.0.0.0:3376"))
	if err != nil {
		s.m.t.Fatal(err)
	}
	s.server, s.served = server, make(chan struct{})
	go func() {
		defer close(s.served)
		_ = server.Serve(l) // ends by Close
	}()
}

func (s *station) down() {
	s.server.Close()
	<-s.served
}

func (s *station) address() string { return s.host.Addr().String() + ":3376" }

// through configures a node for relays.
func through(relays ...string) func(*Config) { return func(c *Config) { c.Relays = relays } }

func TestS4_26_NodesOfTwoLANsCallEachOtherThroughARelay(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		home, office := m.world.LAN("house", "10.5.0.0/24"), m.world.LAN("office", "10.6.0.0/24")
		r := m.relay("relay", home, office)
		at := func(l *meshtest.LAN) string {
			for _, a := range r.host.Addrs() {
				if (l == home) == strings.HasPrefix(a.String(), "10.5.") {
					return a.String() + ":3376"
				}
			}
			return ""
		}
		a := m.startOn(m.world.Host("a", home), "a", through(at(home)))
		b := m.startOn(m.world.Host("b", office), "b", through(at(office)), func(c *Config) { c.NoLAN = true })
		handle(t, b, "hello", answer("from the office"))
		reply, err := a.Call(t.Context(), "b", "hello")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := reply.Value(); err != nil || v != "from the office" || reply.Path.Kind != "relay" {
			t.Errorf("%v %v over %+v", v, err, reply.Path)
		}
		wantOK(t, b, "a")
		pong, err := a.Ping(t.Context(), "b")
		if err != nil || pong.Path.Kind != "relay" {
			t.Errorf("ping: %+v %v", pong, err)
		}
		big := strings.Repeat("x", 1<<20)
		if _, err := a.Call(t.Context(), "b", "__echo__", Args(big)); err != nil {
			t.Errorf("1 MiB through the relay: %v", err)
		}
		observer := m.startOn(m.world.Host("cli", home), "cli", through(at(home)), func(c *Config) { c.Observer, c.NoLAN = true, true })
		wantOK(t, observer, "b")
		if all := observer.Gather(t.Context(), Everyone, "__info__").All(); len(all) != 2 {
			t.Errorf("everyone through the relay: %v", keys(all))
		}
	})
}

func TestS4_15_ANodeSeenBothWaysIsCalledOnceOverTheLAN(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		a, b := m.start("a", through(r.address())), m.start("b", through(r.address()))
		ran := ledgerOf(t, b)
		all := a.Gather(t.Context(), Everyone, "note", Args(1)).All()
		if len(all) != 1 || all["b"].Err != nil || all["b"].Reply.Path.Kind != "lan" || ran(1) != 1 {
			t.Errorf("%+v, %d runs; want b once over the LAN", all, ran(1))
		}
	})
}

func TestR3_ASilentLANMovesTheCallToTheRelayWithinThreeSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		r := m.relay("relay", uplink)
		ha, hb := m.world.Host("a", m.lan, uplink), m.world.Host("b", m.lan, uplink)
		only := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"}; c.Relays = []string{r.address()} }
		a, b := m.startOn(ha, "a", only), m.startOn(hb, "b", only)
		runs := slow(t, b, 2*time.Second)
		wantOK(t, a, "b")
		got := make(chan *Reply, 1)
		start := time.Now()
		go func() {
			reply, err := a.Call(t.Context(), "b", "slow")
			if err != nil {
				t.Errorf("the call failed: %v", err)
			}
			got <- reply
		}()
		time.Sleep(100 * time.Millisecond)
		hb.RemoveInterface(m.lan) // packets vanish, nobody is told
		reply := <-got
		if took := time.Since(start); reply == nil || reply.Path.Kind != "relay" || took > 3*time.Second || runs.Load() != 1 {
			t.Errorf("%+v after %v, %d runs; want the relay's answer within 3 s, 1 run", reply, took, runs.Load())
		}
	})
}

func TestS4_28_ACallWhoseRelayDiesEndsThroughTheOther(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		one, two := m.relay("one", m.lan), m.relay("two", m.lan)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{one.address(), two.address()} }
		a, b := m.start("a", far), m.start("b", far)
		runs := slow(t, b, 2*time.Second)
		wantOK(t, a, "b")
		used := a.Peers()[0].Paths[0].Addr
		got := make(chan error, 1)
		go func() {
			_, err := a.Call(t.Context(), "b", "slow")
			got <- err
		}()
		time.Sleep(time.Second)
		dead := one
		if strings.Contains(used, two.host.Addr().String()) {
			dead = two
		}
		dead.host.Crash()
		if err := <-got; err != nil || runs.Load() != 1 {
			t.Errorf("%v, %d runs; want an answer and 1 run", err, runs.Load())
		}
		wantOK(t, a, "b")
		dead.host.Up()
		dead.down()
		dead.up()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		for !slices.ContainsFunc(a.Relays(), func(i RelayInfo) bool { return i.Up && strings.Contains(i.Address, dead.host.Addr().String()) }) {
			if !sleep(ctx, time.Second) {
				t.Fatalf("the relay is back and not used again: %+v", a.Relays())
			}
		}
	})
}

func TestS4_32_ARelayRestartKeepsItsIdentityAndPeersComeBack(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		pin := "#" + relay.ID(r.identity.Public()).String()
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address() + pin} }
		a, _ := m.start("a", far), m.start("b", far)
		wantOK(t, a, "b")
		r.down()
		time.Sleep(5 * time.Second)
		if len(a.Peers()) != 0 {
			t.Error("S4-33: members are listed although the relay is gone")
		}
		r.up()
		time.Sleep(15 * time.Second)
		wantOK(t, a, "b")
		r.down()
		r.identity = crypto.NewIdentity()
		r.up()
		time.Sleep(30 * time.Second)
		if infos := a.Relays(); infos[0].Up || !strings.Contains(infos[0].Failure, "pin") {
			t.Errorf("another relay at the same address was joined: %+v", infos)
		}
	})
}

func TestS4_33_AMemberWhoseConnectionClosesIsGoneAtOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address()} }
		a := m.start("a", far)
		b, err := New(func() Config { c := m.config("b", m.host("b")); far(&c); return c }())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		shutdown(t, b)
		synctest.Wait()
		if peers := a.Peers(); len(peers) != 0 {
			t.Errorf("b left and is still listed: %v", peers)
		}
	})
}

func TestS4_31_NetworksOnOneRelayDoNotMeet(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(network string, key crypto.Key) func(*Config) {
			return func(c *Config) {
				c.NoLAN, c.Network, c.Keys, c.Relays = true, network, crypto.Ring(key), []string{r.address()}
			}
		}
		other := crypto.GenerateKey()
		one, two, three := m.start("same", far("one", m.key)), m.start("same", far("two", m.key)), m.start("same", far("one", other))
		time.Sleep(time.Minute)
		for _, n := range []*Node{one, two, three} {
			if len(n.Peers()) != 0 || n.Name() != "same" {
				t.Errorf("%s sees %v", n.Name(), n.Peers())
			}
		}
	})
}

func TestNamesConflictThroughARelayIsRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address()} }
		m.start("b", far)
		cfg := m.config("b", m.host("b2"))
		far(&cfg)
		second, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Start(t.Context()); !errors.Is(err, ErrNameTaken) {
			t.Errorf("Start with a name that is taken behind a relay: %v", err)
		}
	})
}

func TestALANThatComesBackIsUsedAgainWithinFifteenSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		r := m.relay("relay", uplink)
		ha, hb := m.world.Host("a", uplink), m.world.Host("b", m.lan, uplink)
		only := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"}; c.Relays = []string{r.address()} }
		a, _ := m.startOn(ha, "a", only), m.startOn(hb, "b", only)
		wantOK(t, a, "b")
		ha.AddInterface(m.lan)
		start := time.Now()
		for {
			reply, err := a.Call(t.Context(), "b", "__echo__")
			if err != nil {
				t.Fatal(err)
			}
			if reply.Path.Kind == "lan" {
				break
			}
			if time.Since(start) > 15*time.Second {
				t.Fatal("the LAN is there for 15 s and not used")
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestR20_ARingOfTwoKeysJoinsBothRooms(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		old := crypto.GenerateKey()
		far := func(ring crypto.KeyRing) func(*Config) {
			return func(c *Config) { c.NoLAN, c.Keys, c.Relays = true, ring, []string{r.address()} }
		}
		both := m.start("both", far(crypto.Ring(m.key, old)))
		stale, fresh := m.start("stale", far(crypto.Ring(old))), m.start("fresh", far(crypto.Ring(m.key)))
		wantOK(t, stale, "both")
		wantOK(t, fresh, "both")
		wantOK(t, both, "fresh")
		wantOK(t, both, "stale")
		if peers := stale.Peers(); len(peers) != 1 {
			t.Errorf("stale sees %v; a node of the new key alone is in another room", peers)
		}
	})
}

func TestR15_AnOldPresencePlayedAgainIsRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
		a, b := m.start("a", far), m.start("b", far)
		if err := a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		l := a.allLines()[0]
		for addr := range l.seats {
			old := presence.Presence{Instance: b.Instance(), Counter: 0, Name: "old", Address: presence.Address(addr)}
			token, err := old.Seal(l.schedule.PresenceKey(l.live().RelayID()), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			l.Casted(addr, token)
		}
		if peers := a.Peers(); len(peers) != 1 || peers[0].Name != "b" || a.Stats().PresenceRefused != 1 {
			t.Errorf("%+v, %d refused; the old name came back", peers, a.Stats().PresenceRefused)
		}
	})
}
