package sockets

import (
	"net/netip"
	"slices"
)

// Interface is a network interface as it was when listed.
type Interface struct {
	Name  string
	Index int // > 0
	MTU   int // bytes

	Up           bool
	Loopback     bool
	Broadcast    bool
	Multicast    bool // the flag; Linux joins groups on lo without it
	PointToPoint bool

	// Prefixes are the interface's own addresses, each with the length of its
	// network: 192.168.1.7/24. IPv6 link-local addresses are among them,
	// without zone.
	Prefixes []netip.Prefix
}

// Has tells whether addr is one of the interface's own addresses. The zone of
// addr is not looked at.
func (i Interface) Has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(i.Prefixes, func(p netip.Prefix) bool { return p.Addr() == addr })
}

// BroadcastAddr is the address that reaches all hosts of an IPv4 network:
// 192.168.1.255 for 192.168.1.7/24, 127.255.255.255 for 127.0.0.1/8. There is
// none for IPv6 and for networks of one or two addresses (/31, /32).
func BroadcastAddr(p netip.Prefix) (netip.Addr, bool) {
	if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}, false
	}
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b), true
}
