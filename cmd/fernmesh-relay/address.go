package main

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/sockets"
)

// address is the line to give to nodes: where they reach this relay, and its id
// as the pin. Without a public host it is the best guess from this machine.
func (s *settings) address(bound netip.AddrPort, cert *certificate, id relay.ID) (relay.Address, error) {
	host := ""
	switch {
	case len(s.publicHosts) > 0:
		host = s.publicHosts[0]
	case cert != nil:
		host = cert.host()
	}
	if host == "" {
		host = reachable(bound.Addr(), sockets.System()).String()
	}
	if _, _, err := net.SplitHostPort(host); err != nil && !s.behindProxy { // a proxy has ports of its own
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.String()
		}
		host = net.JoinHostPort(trimBrackets(host), strconv.Itoa(int(bound.Port())))
	}
	if cert != nil || s.behindProxy {
		host = "https://" + host
	}
	a, err := relay.ParseAddress(host)
	if err != nil {
		return a, err
	}
	a.Pin, a.Pinned = [32]byte(id), true
	return a, nil
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// reachable is an address of this machine by which others reach a listener: its
// own, or of one that listens on all, the first that is not only local.
func reachable(bound netip.Addr, n sockets.Net) netip.Addr {
	bound = bound.Unmap()
	if !bound.IsUnspecified() {
		return bound
	}
	best := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	interfaces, err := n.Interfaces()
	if err != nil {
		return best
	}
	for _, i := range interfaces {
		for _, prefix := range i.Prefixes {
			a := prefix.Addr()
			if !i.Up || !a.IsGlobalUnicast() {
				continue
			}
			if a.Is4() {
				return a
			}
			if best.IsLoopback() {
				best = a
			}
		}
	}
	return best
}
