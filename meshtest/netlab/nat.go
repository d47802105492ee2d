package netlab

import "net/netip"

// NATBox makes a host between two bridges, as a home router is one: hosts
// inside that RouteVia it reach the hosts outside under the box's own address
// (masquerade), and nobody outside can begin anything with those inside. Flags
// are those of nft's masquerade; "random" gives each connection another port. It
// is for IPv4.
func (l *Lab) NATBox(name string, inside, outside *Bridge, flags ...string) *Host {
	l.t.Helper()
	h := l.Host(name, inside, outside)
	out := h.plug(outside).device
	h.sysctl("net.ipv4.ip_forward=1")
	l.must(h.nft("add", "chain", "inet", "fm", "strangers", "{ type filter hook forward priority 0; }")...)
	l.must(h.nft("add", "rule", "inet", "fm", "strangers", "iifname", out, "ct", "state", "new", "drop")...)
	l.must(h.nft("add", "chain", "inet", "fm", "rewrite", "{ type nat hook postrouting priority 100; }")...)
	l.must(h.nft(append([]string{"add", "rule", "inet", "fm", "rewrite", "oifname", out, "masquerade"}, flags...)...)...)
	return h
}

// RouteVia makes a host on a common bridge the way to all that is not on one of
// this host's own bridges. It is for IPv4.
func (h *Host) RouteVia(gateway *Host) {
	h.lab.t.Helper()
	for _, own := range h.plugs {
		for _, far := range gateway.plugs {
			if via, ok := far.v4(); ok && own.bridge == far.bridge {
				h.lab.must("ip", "-n", h.ns, "route", "replace", "default", "via", via.String(), "dev", own.device)
				return
			}
		}
	}
	h.lab.t.Fatalf("hosts %s and %s share no bridge of IPv4", h.name, gateway.name)
}

// v4 is the interface's IPv4 address.
func (p *plug) v4() (netip.Addr, bool) {
	for _, a := range p.prefixes {
		if a.Addr().Is4() {
			return a.Addr(), true
		}
	}
	return netip.Addr{}, false
}
