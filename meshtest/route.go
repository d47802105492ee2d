package meshtest

import (
	"net/netip"
	"strconv"
	"syscall"
)

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Errors of a host's network stack, those of Linux.
var (
	errUnreachable error = syscall.ENETUNREACH
	errNoHost      error = syscall.EHOSTUNREACH
	errDown        error = syscall.ENETDOWN
)

// route picks the interface that a unicast datagram or a connection to dst
// leaves through, and the source address that it has if the socket is bound to
// none. lo is the way to every address of the host itself.
func (h *Host) route(dst netip.Addr) (*iface, netip.Addr, error) {
	if h.dead {
		return nil, netip.Addr{}, errDown
	}
	if own := h.holder(nil, dst); own != nil && (dst.Zone() == "" || own.zoned(dst.Zone())) {
		return h.ifaces[0], dst.WithZone(""), nil
	}
	for _, ifc := range h.ifaces[1:] {
		if !ifc.live() || dst.Zone() != "" && !ifc.zoned(dst.Zone()) {
			continue
		}
		// Every interface has fe80::/64: without a zone the way is unknown.
		if dst.IsLinkLocalUnicast() && dst.Is6() && dst.Zone() == "" {
			continue
		}
		for _, p := range ifc.prefixes {
			if p.Contains(dst.WithZone("")) {
				return ifc, p.Addr(), nil
			}
		}
	}
	return nil, netip.Addr{}, errUnreachable
}

// groupRoute picks the interface for a multicast or the limited broadcast of a
// socket that is bound to no interface: the zone's, else the first on a LAN.
func (h *Host) groupRoute(dst netip.Addr) (*iface, error) {
	for _, ifc := range h.ifaces {
		if dst.Zone() == "" && ifc.lan == nil {
			continue
		}
		if ifc.live() && (dst.Zone() == "" || ifc.zoned(dst.Zone())) {
			return ifc, nil
		}
	}
	return nil, errUnreachable
}

// broadcastRoute is the interface whose network has dst as its broadcast
// address, nil if none has.
func (h *Host) broadcastRoute(dst netip.Addr) *iface {
	for _, ifc := range h.ifaces {
		if ifc.live() && ifc.isBroadcast(dst) {
			return ifc
		}
	}
	return nil
}

// zoned tells whether a zone, a name or an index, means this interface.
func (i *iface) zoned(zone string) bool {
	return zone == i.name || zone == strconv.Itoa(i.index)
}

// scoped adds the interface as the zone of an address that needs one.
func (i *iface) scoped(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() && i.lan != nil {
		return netip.AddrPortFrom(a.Addr().WithZone(i.name), a.Port())
	}
	return a
}
