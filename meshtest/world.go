package meshtest

import (
	"fmt"
	"math/rand/v2" // seeded weather of a simulation, no secrets
	"net/netip"
	"sync"
	"time"
)

// World is a network in memory. Its methods, and those of its LANs, hosts and
// sockets, may be used concurrently.
//
// A World made inside a synctest bubble belongs to that bubble. It has no
// goroutines of its own; Close ends its timers and sockets.
type World struct {
	// One lock for the whole network: everything that happens is in one
	// order, and nothing waits while holding it.
	mu     sync.Mutex
	rng    *rand.Rand
	lans   []*LAN
	hosts  []*Host
	links  map[*link]struct{} // open TCP connections
	cuts   map[way]bool
	taps   []func(Packet)
	agenda agenda
	closed bool
}

// way is one direction between two hosts.
type way struct{ from, to *Host }

// NewWorld returns an empty network. The seed decides which packets are lost
// and how late the others are; with one goroutine at work, the same seed gives
// the same weather.
func NewWorld(seed uint64) *World {
	w := &World{
		rng:   rand.New(rand.NewPCG(seed, 0)),
		links: make(map[*link]struct{}),
		cuts:  make(map[way]bool),
	}
	w.agenda.run = w.runDue
	return w
}

// LAN adds a network on which hosts hear each other. Each prefix gives its
// hosts an address: "10.1.0.0/24" makes an IPv4 LAN, "fd00:1::/64" one with
// IPv6 and its link-local addresses, both together a dual one, and "fe80::/64"
// alone one that has nothing but link-local addresses. A malformed prefix
// panics.
func (w *World) LAN(name string, prefixes ...string) *LAN {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &LAN{w: w, name: name, number: len(w.lans) + 1}
	for _, s := range prefixes {
		l.prefixes = append(l.prefixes, netip.MustParsePrefix(s).Masked())
	}
	w.lans = append(w.lans, l)
	return l
}

// Host adds a host with a loopback interface and one interface per LAN: eth0,
// eth1 and so on. Other hosts can resolve it by its name, which must be new.
func (w *World) Host(name string, lans ...*LAN) *Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if h.name == name {
			panic(fmt.Sprintf("meshtest: there is a host %q already", name))
		}
	}
	h := &Host{w: w, name: name, nextPort: firstEphemeral, gone: make(chan struct{})}
	h.attach(nil)
	for _, l := range lans {
		h.attach(l)
	}
	w.hosts = append(w.hosts, h)
	return h
}

// Partition silences two hosts for each other, on every LAN: datagrams vanish,
// bytes of connections stall, dials time out. Nobody is told.
func (w *World) Partition(a, b *Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts[way{a, b}], w.cuts[way{b, a}] = true, true
}

// Cut silences one direction: to hears nothing more from from.
func (w *World) Cut(from, to *Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts[way{from, to}] = true
}

// Heal ends every cut between two hosts. Bytes of connections that stalled
// arrive now.
func (w *World) Heal(a, b *Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.cuts, way{a, b})
	delete(w.cuts, way{b, a})
	w.resume()
}

// Reset breaks every TCP connection between two hosts with a reset that both
// ends see at once.
func (w *World) Reset(a, b *Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		if l.joins(a, b) {
			l.reset()
		}
	}
}

// Close ends the world: all sockets are closed, blocked calls return, and no
// timer is left.
func (w *World) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	for _, h := range w.hosts {
		h.kill()
	}
	w.agenda.stop()
}

// resume lets stalled bytes go on where the way is open again.
func (w *World) resume() {
	for l := range w.links {
		l.client.out.advance()
		l.server.out.advance()
	}
}

// carries tells whether packets get from one address to another now. lan is
// nil for the way from a host to itself.
func (w *World) carries(l *LAN, from *Host, src netip.Addr, to *Host, dst netip.Addr) bool {
	if from.holder(l, src) == nil || to.holder(l, dst) == nil {
		return false
	}
	return l == nil || !w.cuts[way{from, to}]
}

// after runs do when d has passed, under the lock; at once if d is 0.
func (w *World) after(d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	w.agenda.add(time.Now().Add(d), do)
}

// runDue runs the events whose time has come.
func (w *World) runDue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agenda.runUntil(time.Now())
}
