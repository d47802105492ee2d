package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// ListenShared opens a UDP port that others share.
func (system) ListenShared(ctx context.Context, cfg Shared) (Packets, error) {
	network, any := "udp4", netip.IPv4Unspecified()
	if cfg.IPv6 {
		network, any = "udp6", netip.IPv6Unspecified() // udp6 on :: is IPV6_V6ONLY
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return control(c, func(fd uintptr) error { return share(fd, cfg.IPv6) })
	}}
	conn, err := listenUDP(ctx, lc, network, netip.AddrPortFrom(any, cfg.Port))
	if err != nil {
		e := opened(fmt.Sprintf("open UDP port %d (%s) for sharing", cfg.Port, network), cfg.Port, err).(*Error)
		if e.Kind == ErrPortInUse {
			e.Hint = "a program that does not share it has it; choose another advertiser port for the whole network"
		}
		return nil, e
	}
	p := newPackets(conn, cfg.IPv6)
	for _, g := range cfg.Groups {
		p.joinErrs = errors.Join(p.joinErrs, p.Join(g))
	}
	return p, nil
}

// ListenOn opens a UDP socket on one own address.
func (system) ListenOn(ctx context.Context, ifc Interface, addr netip.Addr) (Packets, error) {
	addr = addr.Unmap()
	network := "udp4"
	if addr.Is6() {
		network = "udp6"
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(ifc.Name)
	}
	op := fmt.Sprintf("open a UDP socket on %s (%s)", addr, ifc.Name)
	conn, err := listenUDP(ctx, net.ListenConfig{}, network, netip.AddrPortFrom(addr, 0))
	if err != nil {
		return nil, opened(op, 0, err)
	}
	p := newPackets(conn, addr.Is6())
	if err := p.sendGroupsThrough(ifc); err != nil {
		conn.Close()
		return nil, opened(op, 0, err)
	}
	return p, nil
}

func listenUDP(ctx context.Context, lc net.ListenConfig, network string, addr netip.AddrPort) (*net.UDPConn, error) {
	c, err := lc.ListenPacket(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// control runs f on a socket before it is bound.
func control(c syscall.RawConn, f func(fd uintptr) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(fd) }); err != nil {
		return err
	}
	return inner
}

// packets is a UDP socket of the machine.
type packets struct {
	conn     *net.UDPConn
	family   family
	local    netip.AddrPort
	joinErrs error

	close sync.Once
}

func newPackets(conn *net.UDPConn, v6 bool) *packets {
	p := &packets{conn: conn, local: unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())}
	if v6 {
		p.family = newFamily6(conn)
	} else {
		p.family = newFamily4(conn)
	}
	return p
}

// Read waits for a datagram.
func (p *packets) Read(buf []byte) (Datagram, error) {
	var oob [128]byte
	for {
		n, oobn, _, from, err := p.conn.ReadMsgUDPAddrPort(buf, oob[:])
		if err != nil && isStray(err) {
			continue
		}
		if err != nil && !isTruncated(err) {
			return Datagram{}, err
		}
		return Datagram{N: n, From: unmap(from), Interface: p.family.receivedOn(oob[:oobn])}, nil
	}
}

// Write sends a datagram.
func (p *packets) Write(b []byte, to netip.AddrPort) error {
	_, err := p.conn.WriteToUDPAddrPort(b, to)
	return err
}

// Join makes the socket a member of a multicast group.
func (p *packets) Join(g Group) error {
	ifc, err := net.InterfaceByIndex(g.Interface.Index)
	if err == nil {
		err = p.family.join(ifc, g.Addr)
	}
	if err == nil || errors.Is(err, errAddrInUse) { // a member already
		return nil
	}
	return opened(fmt.Sprintf("join multicast group %s on %s", g.Addr, g.Interface.Name), 0, err)
}

func (p *packets) sendGroupsThrough(ifc Interface) error {
	// Asking the system, rather than believing ifc, notices an interface that
	// has gone and come back under another index.
	i, err := net.InterfaceByIndex(ifc.Index)
	if err != nil {
		return err
	}
	return p.family.sendGroupsThrough(i)
}

func (p *packets) JoinErrors() error { return p.joinErrs }

func (p *packets) LocalAddr() netip.AddrPort { return p.local }

func (p *packets) Close() (err error) {
	p.close.Do(func() { err = p.conn.Close() })
	return err
}

// unmap makes ::ffff:192.0.2.1 the IPv4 address that it is.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
