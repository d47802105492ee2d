package sockets

import (
	"context"
	"net"
	"net/netip"
)

// Net is a network stack: all that fernmesh asks of a network.
//
// An implementation is safe for concurrent use. A context bounds only the call
// that it is given to (a name lookup, a dial); what the call returns lives
// until its own Close.
type Net interface {
	// Interfaces lists the network interfaces of this moment with their
	// addresses, ordered by index. It is cheap enough to be polled.
	Interfaces() ([]Interface, error)

	// Listen opens a TCP listener. The unspecified address (the zero Addr or
	// "::") listens on IPv6 and IPv4 with one port, and on IPv4 alone where
	// there is no IPv6. Port 0 takes a free port. The port is not shared: a
	// second listener on it fails with ErrPortInUse.
	Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error)

	// Dial opens a TCP connection to "host:port" or "[fe80::1%eth0]:port"; a
	// host name is resolved and its addresses are tried.
	Dial(ctx context.Context, address string) (net.Conn, error)

	// ListenShared opens a UDP port on all addresses of one IP family
	// together with the other sockets that opened it so.
	ListenShared(ctx context.Context, cfg Shared) (Packets, error)

	// ListenOn opens a UDP socket with a free port on one own address of
	// interface ifc. It may send broadcasts; what it sends to a multicast
	// group leaves through ifc with a hop limit of 1 and is heard on this
	// host too. An address that is not usable yet, such as a tentative IPv6
	// address, gives ErrAddrUnavailable.
	ListenOn(ctx context.Context, ifc Interface, addr netip.Addr) (Packets, error)

	// Resolve looks up the addresses of a host name. An IP address in text
	// form is returned as it is, with its zone.
	Resolve(ctx context.Context, host string) ([]netip.Addr, error)
}

// Shared says which UDP port [Net.ListenShared] opens and which multicast
// groups the socket is a member of.
//
// All sockets on the port that were opened by ListenShared get a copy of each
// broadcast and of each multicast to a group they joined; a unicast datagram
// reaches only one of them. So the port is for listening to everybody, and
// answers go to sockets of their own.
type Shared struct {
	IPv6   bool    // the IPv6 port; IPv4 otherwise. Never both.
	Port   uint16  // 0 takes a free port, which then nobody shares by chance
	Groups []Group // joined at opening; see Packets.JoinErrors
}

// Group is a multicast group on one interface.
type Group struct {
	Interface Interface
	Addr      netip.Addr // a multicast address without zone
}

// Packets is a UDP socket. Read and Write may be called concurrently with each
// other and with Close; Close makes a blocked Read return net.ErrClosed.
type Packets interface {
	// Read waits for the next datagram and copies it into buf. What does not
	// fit is cut off, so buf should be one byte longer than the longest
	// datagram of interest.
	Read(buf []byte) (Datagram, error)

	// Write sends b as one datagram. A link-local IPv6 destination needs its
	// zone. On a socket of ListenOn, multicast leaves through its interface;
	// for broadcast take the address that BroadcastAddr gives, since where
	// 255.255.255.255 leaves is a different matter on each system.
	Write(b []byte, to netip.AddrPort) error

	// Join makes the socket a member of a group; being one already is no
	// error. It serves interfaces that appear after the socket was opened.
	Join(g Group) error

	// JoinErrors is the joined errors of those of Shared.Groups that could
	// not be joined at opening; nil when all were.
	JoinErrors() error

	// LocalAddr is the address and port that the socket is bound to.
	LocalAddr() netip.AddrPort

	// Close ends the socket. A second Close does nothing and returns nil.
	Close() error
}

// Datagram tells about a datagram that [Packets.Read] has put into its buffer.
type Datagram struct {
	N         int            // bytes in the buffer
	From      netip.AddrPort // source; never IPv4-mapped; link-local IPv6 with zone, a name or an index
	Interface int            // index of the receiving interface, 0 if unknown
}

// InterfaceFinder is implemented by a Net whose interfaces are those of the
// machine, for libraries that want a *net.Interface.
type InterfaceFinder interface {
	NetInterface(index int) (*net.Interface, error)
}
