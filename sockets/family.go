package sockets

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// family is what is different between UDP sockets of IPv4 and IPv6.
type family interface {
	// join makes the socket a member of a group on an interface.
	join(ifc *net.Interface, group netip.Addr) error
	// sendGroupsThrough makes multicast leave through an interface, reach its
	// link only, and come back to this host.
	sendGroupsThrough(ifc *net.Interface) error
	// receivedOn reads the interface's index from a datagram's control
	// message, 0 if the platform does not tell.
	receivedOn(oob []byte) int
}

type family4 struct{ conn *ipv4.PacketConn }

// newFamily4 also asks for the receiving interface of each datagram, where the
// platform can tell it.
func newFamily4(c *net.UDPConn) family {
	f := family4{ipv4.NewPacketConn(c)}
	_ = f.conn.SetControlMessage(ipv4.FlagInterface, true)
	return f
}

func (f family4) join(ifc *net.Interface, group netip.Addr) error {
	return f.conn.JoinGroup(ifc, &net.UDPAddr{IP: group.AsSlice()})
}

func (f family4) sendGroupsThrough(ifc *net.Interface) error {
	if err := f.conn.SetMulticastInterface(ifc); err != nil {
		return err
	}
	if err := f.conn.SetMulticastTTL(1); err != nil {
		return err
	}
	return f.conn.SetMulticastLoopback(true)
}

func (f family4) receivedOn(oob []byte) int {
	var m ipv4.ControlMessage
	if len(oob) == 0 || m.Parse(oob) != nil {
		return 0
	}
	return m.IfIndex
}

type family6 struct{ conn *ipv6.PacketConn }

// newFamily6 is newFamily4 for IPv6.
func newFamily6(c *net.UDPConn) family {
	f := family6{ipv6.NewPacketConn(c)}
	_ = f.conn.SetControlMessage(ipv6.FlagInterface, true)
	return f
}

func (f family6) join(ifc *net.Interface, group netip.Addr) error {
	return f.conn.JoinGroup(ifc, &net.UDPAddr{IP: group.AsSlice()})
}

func (f family6) sendGroupsThrough(ifc *net.Interface) error {
	if err := f.conn.SetMulticastInterface(ifc); err != nil {
		return err
	}
	if err := f.conn.SetMulticastHopLimit(1); err != nil {
		return err
	}
	return f.conn.SetMulticastLoopback(true)
}

func (f family6) receivedOn(oob []byte) int {
	var m ipv6.ControlMessage
	if len(oob) == 0 || m.Parse(oob) != nil {
		return 0
	}
	return m.IfIndex
}
