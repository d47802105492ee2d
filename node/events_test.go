package node

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// eventLog keeps the events of a node from now on.
type eventLog struct {
	t   *testing.T
	mu  sync.Mutex
	all []Event
}

func record(t *testing.T, n *Node) *eventLog {
	l := &eventLog{t: t}
	events := n.Events(t.Context())
	go func() {
		for e := range events {
			l.mu.Lock()
			l.all = append(l.all, e)
			l.mu.Unlock()
		}
	}()
	return l
}

// want takes the oldest event of a kind about a node, whose reason has words in it.
func (l *eventLog) want(kind EventKind, node, words string) Event {
	l.t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.all {
		if e.Kind != kind || e.Node != node {
			continue
		}
		l.all = append(l.all[:i], l.all[i+1:]...)
		if !strings.Contains(e.Reason, words) || e.Time.IsZero() || e.Detail == "" {
			l.t.Errorf("%+v, want a reason with %q", e, words)
		}
		return e
	}
	l.t.Fatalf("no %q about %q among %+v", kind, node, l.all)
	return Event{}
}

// none checks that there is no event of a kind.
func (l *eventLog) none(kind EventKind) {
	l.t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Kind == kind {
			l.t.Errorf("unexpected: %+v", e)
		}
	}
}

func TestEventsWhenAMemberComesAndGoes(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		seen := record(t, a)
		b := m.start("b")
		if e := seen.want(Joined, "b", "LAN"); e.Key != b.Identity() {
			t.Errorf("key %v, want that of b", e.Key)
		}
		wantOK(t, a, "b")
		if e := seen.want(LinkUp, "b", "made by this node"); e.Path.Kind != "lan" || e.Path.Addr != e.Detail || e.Key != b.Identity() {
			t.Errorf("%+v", e)
		}
		shutdown(t, b)
		seen.want(LinkDown, "b", "")
		seen.want(Left, "b", "goodbye")

		h := m.host("c")
		c := m.startOn(h, "c")
		seen.want(Joined, "c", "LAN")
		h.Crash()
		time.Sleep(40 * time.Second)
		if e := seen.want(Lost, "c", "expired"); e.Key != c.Identity() {
			t.Errorf("key %v, want that of c", e.Key)
		}
		seen.none(PathChanged)
	})
}

func TestEventsOfARelay(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.Relays, c.NoLAN = []string{r.address()}, true }
		a, b := m.start("a", far), m.start("b", far)
		wantOK(t, a, "b")
		seen := record(t, a)
		r.down()
		if e := seen.want(RelayDown, "", ""); e.Path.Kind != "relay" || e.Path.Addr != "relay "+r.address() {
			t.Errorf("%+v", e)
		}
		seen.want(LinkDown, "b", "")
		if e := seen.want(Lost, "b", ""); e.Key != b.Identity() {
			t.Errorf("%+v", e)
		}
		r.up()
		time.Sleep(10 * time.Second)
		seen.want(RelayUp, "", "joined")
		seen.want(Joined, "b", "seen at relay "+r.address())
		wantOK(t, a, "b")
		if e := seen.want(LinkUp, "b", ""); e.Path.Kind != "relay" {
			t.Errorf("%+v", e)
		}
		shutdown(t, b)          // the link carries its goodbye
		time.Sleep(time.Second) // the relay may hold its news back, for more to go with them
		seen.want(Left, "b", "")
	})
}

func TestEventsWhenCallsTakeAnotherPath(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		r := m.relay("relay", uplink)
		ha, hb := m.world.Host("a", uplink), m.world.Host("b", m.lan, uplink)
		only := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"}; c.Relays = []string{r.address()} }
		a, b := m.startOn(ha, "a", only), m.startOn(hb, "b", only)
		seen := record(t, a)
		wantOK(t, a, "b")
		seen.none(PathChanged) // the first path is no change
		ha.AddInterface(m.lan)
		time.Sleep(20 * time.Second)
		wantOK(t, a, "b")
		time.Sleep(20 * time.Second)
		e := seen.want(PathChanged, "b", "a better one came up")
		if e.Path.Kind != "lan" || e.Key != b.Identity() {
			t.Errorf("%+v", e)
		}
		hb.RemoveInterface(m.lan)
		time.Sleep(time.Minute)
		wantOK(t, a, "b")
		if e := seen.want(PathChanged, "b", "ended"); e.Path.Kind != "relay" {
			t.Errorf("%+v", e)
		}
		seen.none(PathChanged)
	})
}

func TestEventsOfNames(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		wantOK(t, a, "b")
		atA, atB := record(t, a), record(t, b)
		second, err := New(m.config("b", m.host("b2")))
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Start(t.Context()); err == nil {
			t.Fatal("a taken name was given twice")
		}
		if e := atB.want(Conflict, "b", "claimed by"); e.Key != second.Identity() {
			t.Errorf("%+v", e)
		}
		shutdown(t, b)
		cfg := m.config("b", m.host("b3"))
		cfg.Identity = crypto.NewIdentity()
		third, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := third.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer shutdown(t, third)
		wantOK(t, a, "b")
		e := atA.want(KeyChanged, "b", "another identity")
		if e.Key == second.Identity() { // a may have heard of who claimed it
			e = atA.want(KeyChanged, "b", "another identity")
		}
		if e.Key != third.Identity() || e.Detail != e.Key.String() {
			t.Errorf("%+v", e)
		}
	})
}

func TestEventsForASlowReaderAreDroppedAndCounted(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", func(c *Config) { c.Limits.EventQueue = 2 })
		events := a.Events(t.Context()) // read later
		for _, name := range []string{"b", "c", "d", "e"} {
			m.start(name)
		}
		synctest.Wait()
		lost := a.Stats().EventsLost
		if lost < 2 {
			t.Errorf("%d events were lost, want 2 or more", lost)
		}
		read := 0
		for e := range events {
			if read++; read == 2 {
				break
			}
			if e.Kind != Joined || e.Node != "b" {
				t.Errorf("the first event is %+v, want the oldest", e)
			}
		}
		m.start("f")
		if got := a.Stats().EventsLost; got != lost {
			t.Errorf("%d more were lost after the reader had gone", got-lost)
		}
	})
}
