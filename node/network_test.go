package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// sleeper is a wall clock that a test sets forward.
type sleeper struct{ ahead atomic.Int64 }

func (s *sleeper) config(c *Config) {
	c.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(s.ahead.Load())) }
}

// sleep sets the clock as waking up after d does.
func (s *sleeper) sleep(d time.Duration) { s.ahead.Add(int64(d)) }

// underWay makes calls from one node to another until stop is called, which tells
// how many there were, and fails the test for those that failed or did not run
// exactly once.
func underWay(t *testing.T, from, to *Node, ran func(int64) int, first int64) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	next := first
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for sleep(ctx, 20*time.Millisecond) {
				mu.Lock()
				id := next
				next++
				mu.Unlock()
				if _, err := from.Call(t.Context(), to.Name(), "note", Args(id)); err != nil {
					t.Errorf("call %d from %s to %s: %v", id, from.Name(), to.Name(), err)
				}
			}
		})
	}
	return func() int {
		cancel()
		callers.Wait()
		for id := first; id < next; id++ {
			if n := ran(id); n != 1 {
				t.Errorf("call %d ran %d times", id, n)
			}
		}
		return int(next - first)
	}
}

func TestAMachineThatSleptDropsItsLinksWithinFiveSecondsAndLosesNoCall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var clock sleeper
		p := m.pair(1, func(c *Config) { clock.config(c) })
		p.lan.SetLatency(3 * time.Millisecond)
		ranA, ranB := ledgerOf(t, p.a), ledgerOf(t, p.b)
		wantOK(t, p.a, "b")
		toB, toA := underWay(t, p.a, p.b, ranB, 0), underWay(t, p.b, p.a, ranA, 0)
		time.Sleep(2 * crossWindow)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		events := p.a.Events(ctx)
		clock.sleep(time.Hour)
		woke := time.Now()
		var linked, joined, noticed bool
		for e := range events {
			noticed = noticed || e.Kind == NetworkChanged && e.Reason == errSlept.Error()
			linked = linked || noticed && e.Kind == LinkUp
			joined = joined || noticed && e.Kind == RelayUp
			if linked && joined {
				break
			}
		}
		if took := time.Since(woke); took > 5*time.Second {
			t.Errorf("the node is linked and has joined its relay anew after %v; want 5 s", took)
		}
		if s := p.a.Stats(); s.Resumes != 1 || s.AddressChanges != 0 {
			t.Errorf("%d resumes, %d address changes; want 1 and 0", s.Resumes, s.AddressChanges)
		}
		time.Sleep(20 * time.Second)
		t.Logf("%d and %d calls", toB(), toA())
	})
}

func TestAChangedAddressIsNoticedWithinFiveSecondsAndLosesNoCall(t *testing.T) {
	for _, relays := range []int{0, 1} {
		for _, change := range []string{"renumber", "replug"} {
			t.Run(fmt.Sprintf("%s with %d relays", change, relays), func(t *testing.T) {
				inMesh(t, func(t *testing.T, m *mesh) {
					p := m.pair(relays)
					p.lan.SetLatency(3 * time.Millisecond)
					ranA, ranB := ledgerOf(t, p.a), ledgerOf(t, p.b)
					wantOK(t, p.a, "b")
					toB, toA := underWay(t, p.a, p.b, ranB, 0), underWay(t, p.b, p.a, ranA, 0)
					time.Sleep(2 * crossWindow)
					old := p.hb.Addrs()
					changed := time.Now()
					if change == "renumber" {
						p.hb.Renumber(p.lan)
						p.hb.Renumber(p.uplink)
					} else {
						p.hb.RemoveInterface(p.lan)
						p.hb.AddInterface(p.lan)
					}
					// Links and adverts show the new address alone.
					for !current(p.a, p.b, old) {
						if time.Since(changed) > 5*time.Second {
							t.Errorf("after 5 s: a knows %+v, b knows %+v", p.a.Peers(), p.b.Peers())
							break
						}
						time.Sleep(50 * time.Millisecond)
					}
					if n := p.b.Stats().AddressChanges; n == 0 {
						t.Error("the change was not counted")
					}
					time.Sleep(20 * time.Second)
					t.Logf("%d and %d calls", toB(), toA())
					for _, r := range p.b.Relays() {
						if !r.Up {
							t.Errorf("the relay was not joined from the new address: %+v", r)
						}
					}
				})
			})
		}
	}
}

// current tells whether a dials b at new addresses only, and whether both have a
// LAN link that works.
func current(a, b *Node, old []netip.Addr) bool {
	p := a.Peers()
	if len(p) != 1 {
		return false
	}
	usesOld := func(addr string) bool {
		ap, err := netip.ParseAddrPort(addr)
		return err == nil && slices.Contains(old, ap.Addr())
	}
	if len(p[0].Addrs) == 0 || usesOld(p[0].Addrs[0]) || slices.ContainsFunc(p[0].Paths, func(i PathInfo) bool { return usesOld(i.Addr) }) {
		return false
	}
	return slices.ContainsFunc(a.Paths("b"), func(r PathStatus) bool { return r.Chosen })
}

func TestAnIdleLinkOverAnAddressThatIsGoneIsReplacedWithinFiveSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		wantOK(t, p.a, "b")
		time.Sleep(2 * crossWindow)
		old := p.hb.Addrs()
		p.hb.Renumber(p.lan)
		p.hb.Renumber(p.uplink)
		time.Sleep(5 * time.Second)
		if !current(p.a, p.b, old) {
			t.Errorf("a knows %+v", p.a.Peers())
		}
		for _, l := range p.b.allLines() {
			if client := l.live(); client == nil || slices.Contains(old, netip.MustParseAddrPort(client.LocalAddr().String()).Addr()) {
				t.Error("the relay is not joined from the new address")
			}
		}
	})
}

func TestAnInterfaceThatIsOffForAMomentKeepsItsLinks(t *testing.T) {
	v := newSurroundings()
	eth := func(addrs ...string) []sockets.Interface {
		i := sockets.Interface{Name: "eth0", Index: 2, Up: true}
		for _, a := range addrs {
			i.Prefixes = append(i.Prefixes, netip.MustParsePrefix(a))
		}
		return []sockets.Interface{i}
	}
	one := netip.MustParseAddr("10.1.0.1")
	for i, step := range []struct {
		list    []sockets.Interface
		stale   bool
		notable bool
	}{
		{eth("10.1.0.1/24"), false, false},               // the first look
		{nil, false, false},                              // off
		{eth("10.1.0.1/24"), false, false},               // and on again
		{nil, false, false},                              // off
		{nil, true, true},                                // for good
		{nil, false, false},                              // which is told once
		{eth("10.1.0.1/24"), false, true},                // back
		{eth("10.1.0.9/24"), true, true},                 // renumbered: at once
		{eth("10.1.0.9/24", "fe80::1/64"), false, false}, // of no use to others
		{eth("10.1.0.9/24", "10.1.0.1/24"), false, true},
	} {
		stale, notable := v.moved(step.list)
		if stale[one] != step.stale || notable != step.notable {
			t.Errorf("step %d: stale %v, notable %v; want %v and %v", i, stale, notable, step.stale, step.notable)
		}
	}
}

func TestR7_ASilentRelayIsNoticedWithinAMinuteAndJoinedAgain(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		uplink := m.world.LAN("uplink", "10.9.0.0/24")
		r := m.relay("relay", uplink)
		ha := m.world.Host("a", uplink)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address()} }
		a, _ := m.startOn(ha, "a", far), m.startOn(m.world.Host("b", uplink), "b", far)
		wantOK(t, a, "b")
		time.Sleep(2 * time.Minute) // idle, as a router may take for over
		m.world.Partition(ha, r.host)
		silent := time.Now()
		if !await(t, a, RelayDown) || time.Since(silent) > time.Minute {
			t.Errorf("a relay that is silent is not noticed within %v", time.Since(silent))
		}
		m.world.Heal(ha, r.host)
		if !await(t, a, RelayUp) {
			t.Error("the relay is not joined again")
		}
		wantOK(t, a, "b")
	})
}

// await waits for an event, for two minutes at most.
func await(t *testing.T, n *Node, kind EventKind) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for e := range n.Events(ctx) {
		if e.Kind == kind {
			return true
		}
	}
	return false
}
