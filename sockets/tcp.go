package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Listen opens a TCP listener.
func (system) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	// A link watches itself: PINGs find a dead peer in seconds, keepalive
	// would in minutes.
	lc.KeepAlive = -1
	// A link is one path, known by its addresses; it must not wander.
	lc.SetMultipathTCP(false)
	l, err := listenTCP(ctx, addr, lc.Listen)
	if err != nil {
		return nil, opened(fmt.Sprintf("listen on TCP port %d", addr.Port()), addr.Port(), err)
	}
	return l, nil
}

// listenTCP listens on addr, and if that is every address and there is no IPv6
// here, on every IPv4 address.
func listenTCP(ctx context.Context, addr netip.AddrPort,
	listen func(ctx context.Context, network, address string) (net.Listener, error)) (net.Listener, error) {
	if !addr.Addr().IsValid() {
		addr = netip.AddrPortFrom(netip.IPv6Unspecified(), addr.Port())
	}
	network := "tcp"
	if addr.Addr().Is4() {
		network = "tcp4" // else 0.0.0.0 would mean IPv6 too
	}
	l, err := listen(ctx, network, addr.String())
	if err == nil || addr.Addr() != netip.IPv6Unspecified() {
		return l, err
	}
	if !errors.Is(err, errFamilyUnknown) && !errors.Is(err, errAddrNotAvailable) {
		return nil, err
	}
	return listen(ctx, "tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()).String())
}

// Dial opens a TCP connection.
func (system) Dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1} // as in Listen
	d.SetMultipathTCP(false)
	return d.DialContext(ctx, "tcp", address)
}
