package meshtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// backlog is how many connections wait for Accept; further ones are not
// answered.
const backlog = 128

// ListenShared opens a UDP port that other sockets of the host may share.
func (h *Host) ListenShared(ctx context.Context, cfg sockets.Shared) (sockets.Packets, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	any := netip.IPv4Unspecified()
	if cfg.IPv6 {
		any = netip.IPv6Unspecified()
	}
	op := fmt.Sprintf("open UDP port %d for sharing", cfg.Port)
	if err := h.refusal(ctx); err != nil {
		return nil, &sockets.Error{Op: op, Err: err}
	}
	port := cfg.Port
	if port == 0 {
		port = h.freePort()
	}
	s := h.openPackets(netip.AddrPortFrom(any, port), nil)
	for _, g := range cfg.Groups {
		s.joinErrs = errors.Join(s.joinErrs, s.join(g))
	}
	return s, nil
}

// ListenOn opens a UDP socket on one own address.
func (h *Host) ListenOn(ctx context.Context, ifc sockets.Interface, addr netip.Addr) (sockets.Packets, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	op := fmt.Sprintf("open a UDP socket on %s (%s)", addr, ifc.Name)
	if err := h.refusal(ctx); err != nil {
		return nil, &sockets.Error{Op: op, Err: err}
	}
	on := h.byIndex(ifc.Index)
	if on == nil || !on.has(addr) || addr.Is6() && time.Now().Before(on.usable) {
		return nil, &sockets.Error{Op: op, Kind: sockets.ErrAddrUnavailable, Err: syscall.EADDRNOTAVAIL}
	}
	local := on.scoped(netip.AddrPortFrom(addr.WithZone(""), h.freePort()))
	return h.openPackets(local, on), nil
}

func (h *Host) openPackets(local netip.AddrPort, bound *iface) *packetSocket {
	s := &packetSocket{host: h, local: local, bound: bound, groups: make(map[membership]bool)}
	s.ready.L = &h.w.mu
	h.packets = append(h.packets, s)
	return s
}

func (h *Host) dropPackets(s *packetSocket) {
	h.packets = slices.DeleteFunc(h.packets, func(o *packetSocket) bool { return o == s })
}

// Listen opens a TCP listener.
func (h *Host) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if !addr.Addr().IsValid() {
		addr = netip.AddrPortFrom(netip.IPv6Unspecified(), addr.Port())
	}
	op := fmt.Sprintf("listen on TCP port %d", addr.Port())
	if err := h.refusal(ctx); err != nil {
		return nil, &sockets.Error{Op: op, Err: err}
	}
	if !addr.Addr().IsUnspecified() && h.holder(nil, addr.Addr()) == nil {
		return nil, &sockets.Error{Op: op, Kind: sockets.ErrAddrUnavailable, Err: syscall.EADDRNOTAVAIL}
	}
	if addr.Port() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), h.freePort())
	}
	for _, l := range h.listeners {
		if l.overlaps(addr) {
			return nil, &sockets.Error{
				Op: op, Kind: sockets.ErrPortInUse, Err: syscall.EADDRINUSE,
				Hint: "choose another port, or 0 for a free one",
			}
		}
	}
	l := &listener{host: h, local: addr}
	l.ready.L = &h.w.mu
	h.listeners = append(h.listeners, l)
	return l, nil
}

// refusal is why the host opens no socket now, nil if it does.
func (h *Host) refusal(ctx context.Context) error {
	if h.w.closed {
		return net.ErrClosed
	}
	if h.dead {
		return errDown
	}
	return ctx.Err()
}

// freePort gives out the ephemeral ports in turn.
func (h *Host) freePort() uint16 {
	for {
		port := h.nextPort
		if h.nextPort++; h.nextPort == 0 {
			h.nextPort = firstEphemeral
		}
		taken := slices.ContainsFunc(h.listeners, func(l *listener) bool { return l.local.Port() == port }) ||
			slices.ContainsFunc(h.packets, func(s *packetSocket) bool { return s.local.Port() == port })
		if !taken {
			return port
		}
	}
}

// listener is a TCP listener of a host.
type listener struct {
	host   *Host
	local  netip.AddrPort
	ready  sync.Cond
	queue  []*endpoint
	closed bool
}

func (l *listener) Accept() (net.Conn, error) {
	l.host.w.mu.Lock()
	defer l.host.w.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.ready.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

// Close ends the listener; connections not accepted yet are reset.
func (l *listener) Close() error {
	l.host.w.mu.Lock()
	defer l.host.w.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.closed = true
	for _, e := range l.queue {
		e.abort()
	}
	l.queue = nil
	l.ready.Broadcast()
	l.host.listeners = slices.DeleteFunc(l.host.listeners, func(o *listener) bool { return o == l })
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// hears tells whether the listener accepts connections to an address.
func (l *listener) hears(to netip.AddrPort) bool {
	if l.local.Port() != to.Port() {
		return false
	}
	own := l.local.Addr().WithZone("")
	return own == to.Addr() || own == netip.IPv6Unspecified() ||
		own == netip.IPv4Unspecified() && to.Addr().Is4()
}

// overlaps tells whether a second listener on addr would take connections from
// this one.
func (l *listener) overlaps(addr netip.AddrPort) bool {
	other := &listener{local: addr}
	return l.hears(addr) || other.hears(l.local)
}
