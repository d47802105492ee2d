package discovery

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/fernmesh/fernmesh/sockets"
)

const (
	maxNetworks = 4 // IPv4 networks of one interface that rounds are sent to
	maxSenders6 = 2 // IPv6 addresses of one interface that rounds are sent from
)

// sendersOn lists the sockets that send rounds through an interface, and
// where to. IPv4: one per network for its broadcast address, the first one
// for the group too. IPv6: from the link-local address and one other. On
// loopback IPv4 is enough.
func sendersOn(ifc sockets.Interface, port uint16) []*sock {
	var four, six []*sock
	multicast := ifc.Multicast || ifc.Loopback
	for _, p := range ifc.Prefixes {
		k := &sock{key: sockKey{ifc.Index, p.Addr()}, iface: ifc}
		if p.Addr().Is6() {
			if multicast && len(six) < maxSenders6 && !sameScope(six, p.Addr()) {
				to := groupV6.WithZone(ifc.Name)
				k.targets = []netip.AddrPort{netip.AddrPortFrom(to, port)}
				six = append(six, k)
			}
			continue
		}
		if all, ok := sockets.BroadcastAddr(p); ok && (ifc.Broadcast || ifc.Loopback) && !reached(four, all) {
			k.targets = append(k.targets, netip.AddrPortFrom(all, port))
		}
		if multicast && len(four) == 0 {
			k.targets = append(k.targets, netip.AddrPortFrom(groupV4, port))
		}
		if len(k.targets) > 0 && len(four) < maxNetworks {
			four = append(four, k)
		}
	}
	if ifc.Loopback && len(four) > 0 {
		return four
	}
	return append(four, six...)
}

// sameScope tells whether there is a socket on an address of the same scope,
// link-local or wider.
func sameScope(list []*sock, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(k *sock) bool {
		return k.key.addr.IsLinkLocalUnicast() == a.IsLinkLocalUnicast()
	})
}

// reached tells whether a socket sends to an address already.
func reached(list []*sock, to netip.Addr) bool {
	return slices.ContainsFunc(list, func(k *sock) bool {
		return slices.ContainsFunc(k.targets, func(t netip.AddrPort) bool { return t.Addr() == to })
	})
}

// ownIPs lists what an advert sent through an interface says: the sending
// address first, then the interface's others.
func ownIPs(ifc sockets.Interface, first netip.Addr) []netip.Addr {
	ips := make([]netip.Addr, 0, maxOwnIPs)
	if first.IsValid() {
		ips = append(ips, first)
	}
	for _, p := range ifc.Prefixes {
		if len(ips) < maxOwnIPs && p.Addr() != first {
			ips = append(ips, p.Addr())
		}
	}
	return ips
}

// round sends one round through every socket. An interface that fails does
// not keep the others from theirs.
func (u *udp) round(k kind) {
	counter := u.s.beginRound()
	u.mu.Lock()
	socks := make([]*sock, 0, len(u.socks))
	for _, k := range u.socks {
		if !k.key.listens() {
			socks = append(socks, &sock{Packets: k.Packets, key: k.key, iface: k.iface, targets: k.targets})
		}
	}
	u.mu.Unlock()
	for _, out := range socks {
		token := u.s.seal(k, counter, ownIPs(out.iface, out.key.addr))
		sent, err := out.send(token)
		u.s.sent(sent)
		if !errors.Is(err, net.ErrClosed) { // it broke meanwhile, and that is known
			u.health.set(out.part()+sending, err)
		}
	}
}

// send sends a token to all targets. It is an error only if none is reached:
// broadcast without multicast is enough, and the other way round.
func (k *sock) send(token []byte) (sent int, err error) {
	for _, to := range k.targets {
		if e := k.Write(token, to); e != nil {
			err = errors.Join(err, e)
		} else {
			sent++
		}
	}
	if sent > 0 {
		return sent, nil
	}
	return 0, err
}

// answer tells an asker that we are here, from the socket nearest to it.
func (u *udp) answer(ar arrival) {
	out, ifc := u.nearest(ar)
	if out == nil {
		u.s.unanswered()
		return
	}
	token := u.s.seal(kindHere, u.s.nextCounter(), ownIPs(ifc, out.key.addr))
	if err := out.Write(token, ar.from); err != nil {
		u.s.unanswered()
		return
	}
	u.s.answeredOne()
}

// nearest returns the sending socket for an answer: on the interface of the
// question, best on the asker's own network.
func (u *udp) nearest(ar arrival) (best *sock, ifc sockets.Interface) {
	asker := ar.from.Addr()
	u.mu.Lock()
	defer u.mu.Unlock()
	score := 0
	for _, k := range u.socks {
		if k.key.listens() || k.key.addr.Is4() != asker.Is4() {
			continue
		}
		n := 0
		if k.iface.Index == ar.on.Index {
			n = 2
		}
		if slices.ContainsFunc(k.iface.Prefixes, func(p netip.Prefix) bool {
			return p.Addr() == k.key.addr && p.Contains(asker.WithZone(""))
		}) {
			n++
		}
		if n > score && !(asker.IsLinkLocalUnicast() && n < 2) {
			best, ifc, score = k, k.iface, n
		}
	}
	return best, ifc
}
