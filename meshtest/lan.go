package meshtest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// LAN is a network segment of a World. New ones are perfect: nothing is lost,
// and packets arrive at once.
type LAN struct {
	w        *World
	name     string
	number   int
	prefixes []netip.Prefix
	members  []*iface
	issued   uint32 // host numbers given out

	loss      float64
	latency   time.Duration
	jitter    time.Duration
	tentative time.Duration

	taps    []func(Packet)
	tampers []func(*Packet) bool
}

// Name is the name that the LAN was made with.
func (l *LAN) Name() string { return l.name }

// SetLoss makes each packet get lost with probability p, between 0 and 1. A
// lost piece of a TCP stream arrives late, after retransmission.
func (l *LAN) SetLoss(p float64) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.loss = p
}

// SetLatency makes packets sent from now on take d, one way.
func (l *LAN) SetLatency(d time.Duration) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.latency = d
}

// SetJitter adds a random time below d to the latency of each packet.
// Datagrams may overtake each other; streams stay in order.
func (l *LAN) SetJitter(d time.Duration) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.jitter = d
}

// SetTentative makes IPv6 addresses that interfaces get from now on unusable
// for d, as duplicate address detection does on real systems for 1 to 2 s:
// they are listed, and ListenOn fails with sockets.ErrAddrUnavailable.
func (l *LAN) SetTentative(d time.Duration) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.tentative = d
}

// delay is how long the next packet takes.
func (l *LAN) delay() time.Duration {
	if l == nil {
		return 0
	}
	d := l.latency
	if l.jitter > 0 {
		d += time.Duration(l.w.rng.Int64N(int64(l.jitter)))
	}
	return d
}

// loses tells whether the next packet gets lost.
func (l *LAN) loses() bool {
	return l != nil && l.loss > 0 && l.w.rng.Float64() < l.loss
}

// owner is the live interface that has an address on the LAN, nil if none has.
func (l *LAN) owner(addr netip.Addr) *iface {
	for _, ifc := range l.members {
		if ifc.live() && ifc.has(addr) {
			return ifc
		}
	}
	return nil
}

// issue gives an interface a new address of each prefix.
func (l *LAN) issue() []netip.Prefix {
	l.issued++
	var own []netip.Prefix
	hasV6 := false
	for _, p := range l.prefixes {
		hasV6 = hasV6 || p.Addr().Is6()
		if p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
			continue
		}
		a := addHost(p.Addr(), l.issued)
		if last, ok := sockets.BroadcastAddr(p); !p.Contains(a) || ok && a == last {
			panic(fmt.Sprintf("meshtest: LAN %s has no address left in %v", l.name, p))
		}
		own = append(own, netip.PrefixFrom(a, p.Bits()))
	}
	if hasV6 {
		ll := addHost(netip.MustParseAddr("fe80::"), uint32(l.number)<<16|l.issued)
		own = append(own, netip.PrefixFrom(ll, 64))
	}
	return own
}

// addHost adds a host number to the base address of a network.
func addHost(base netip.Addr, n uint32) netip.Addr {
	b := base.AsSlice()
	low := b[len(b)-4:]
	binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)+n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// transmit sends a datagram onto the LAN. out is the interface that it leaves
// through, nil for an injected one.
func (l *LAN) transmit(out *iface, from, to netip.AddrPort, data []byte) {
	data, ok := l.w.pass(l, false, from, to, data)
	if !ok {
		return
	}
	for _, in := range slices.Clone(l.members) {
		group := to.Addr().IsMulticast() || in.isBroadcast(to.Addr())
		if !group && !in.has(to.Addr()) {
			continue
		}
		if in == out { // only a group's datagram comes back, and by no wire
			in.host.receive(in, from, to, data)
			continue
		}
		if l.loses() {
			continue
		}
		l.w.after(l.delay(), func() {
			if in.live() && (out == nil || !l.w.cuts[way{out.host, in.host}]) {
				in.host.receive(in, from, to, data)
			}
		})
	}
}
