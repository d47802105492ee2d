package meshtest

import (
	"hash/fnv"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/fernmesh/fernmesh/sockets"
)

const (
	// queueBytes bounds what waits in a UDP socket, as Linux does by default;
	// what comes beyond is lost. Each datagram is charged queueOverhead more.
	queueBytes    = 212992
	queueOverhead = 768

	maxDatagram = 65507 // bytes that IPv4 and UDP headers leave
)

// packetSocket is a UDP socket of a host.
type packetSocket struct {
	host     *Host
	local    netip.AddrPort // unspecified address: shared
	bound    *iface         // of ListenOn, else nil
	groups   map[membership]bool
	joinErrs error

	ready  sync.Cond
	queue  []arrival
	queued int // bytes, with overhead
	closed bool
}

var _ sockets.Packets = (*packetSocket)(nil)

type membership struct {
	index int
	group netip.Addr
}

// arrival is a datagram that has come in. Sharers of a port share the bytes.
type arrival struct {
	from  netip.AddrPort
	index int
	data  []byte
}

func (s *packetSocket) Read(buf []byte) (sockets.Datagram, error) {
	w := s.host.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.ready.Wait()
	}
	if s.closed {
		return sockets.Datagram{}, s.fail("read", net.ErrClosed)
	}
	a := s.queue[0]
	s.queue = s.queue[1:]
	s.queued -= len(a.data) + queueOverhead
	return sockets.Datagram{N: copy(buf, a.data), From: a.from, Interface: a.index}, nil
}

func (s *packetSocket) Write(b []byte, to netip.AddrPort) error {
	w := s.host.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.closed {
		return s.fail("write", net.ErrClosed)
	}
	if len(b) > maxDatagram {
		return s.fail("write", syscall.EMSGSIZE)
	}
	if to.Addr().Is6() != s.local.Addr().Is6() {
		return s.fail("write", syscall.EAFNOSUPPORT)
	}
	out, src, err := s.egress(to.Addr())
	if err != nil {
		return s.fail("write", err)
	}
	from := netip.AddrPortFrom(src, s.local.Port())
	to = netip.AddrPortFrom(to.Addr().WithZone(""), to.Port())
	if out.lan != nil {
		out.lan.transmit(out, from, to, b)
		return nil
	}
	in := out
	if own := s.host.holder(nil, to.Addr()); own != nil {
		in = own // Linux tells the interface that has the address, not lo
	}
	if data, ok := w.pass(nil, false, from, to, b); ok {
		s.host.receive(in, from, to, data)
	}
	return nil
}

// egress is the interface that a datagram to dst leaves through and its source
// address.
func (s *packetSocket) egress(dst netip.Addr) (*iface, netip.Addr, error) {
	if s.bound != nil && s.host.holder(nil, s.local.Addr()) == nil {
		return nil, netip.Addr{}, sockets.ErrAddrUnavailable // it was renumbered or taken down
	}
	out, src, err := s.way(dst)
	if err == nil && s.bound != nil {
		src = s.local.Addr().WithZone("")
	}
	return out, src, err
}

func (s *packetSocket) way(dst netip.Addr) (out *iface, src netip.Addr, err error) {
	switch {
	case dst.IsMulticast() || dst == limitedBroadcast:
		if out = s.bound; out == nil || dst.Zone() != "" {
			out, err = s.host.groupRoute(dst)
		}
	default:
		if out = s.host.broadcastRoute(dst); out == nil {
			return s.host.route(dst)
		}
	}
	if err == nil && out.lan == nil && dst.Is6() {
		err = errUnreachable // lo has no route for IPv6 groups
	}
	if err == nil {
		src, err = out.ofFamily(dst.Is6())
	}
	return out, src, err
}

// Join makes the socket a member of a multicast group.
func (s *packetSocket) Join(g sockets.Group) error {
	s.host.w.mu.Lock()
	defer s.host.w.mu.Unlock()
	return s.join(g)
}

func (s *packetSocket) join(g sockets.Group) error {
	var cause error
	switch {
	case s.closed:
		cause = net.ErrClosed
	case s.host.byIndex(g.Interface.Index) == nil:
		cause = syscall.ENODEV
	case !g.Addr.IsMulticast() || g.Addr.Is6() != s.local.Addr().Is6():
		cause = syscall.EINVAL
	default:
		s.groups[membership{g.Interface.Index, g.Addr}] = true
		return nil
	}
	return &sockets.Error{Op: "join multicast group " + g.Addr.String() + " on " + g.Interface.Name, Err: cause}
}

func (s *packetSocket) JoinErrors() error { return s.joinErrs }

func (s *packetSocket) LocalAddr() netip.AddrPort { return s.local }

func (s *packetSocket) Close() error {
	s.host.w.mu.Lock()
	defer s.host.w.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed, s.queue = true, nil
	s.ready.Broadcast()
	s.host.dropPackets(s)
	return nil
}

func (s *packetSocket) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(s.local), Err: err}
}

// receive hands a datagram that came in through an interface to the sockets
// that hear it.
func (h *Host) receive(in *iface, from, to netip.AddrPort, data []byte) {
	a := arrival{from: in.scoped(from), index: in.index, data: data}
	switch {
	case to.Addr().IsMulticast():
		for _, s := range h.packets {
			if s.sharesPort(to) && s.groups[membership{in.index, to.Addr()}] {
				s.push(a)
			}
		}
	case in.isBroadcast(to.Addr()):
		for _, s := range h.packets {
			if s.sharesPort(to) {
				s.push(a)
			}
		}
	default:
		if s := h.unicastReceiver(from, to); s != nil {
			s.push(a)
		}
	}
}

// sharesPort tells whether the socket listens on all addresses of to's port
// and family.
func (s *packetSocket) sharesPort(to netip.AddrPort) bool {
	return s.local.Port() == to.Port() && s.local.Addr().IsUnspecified() &&
		s.local.Addr().Is6() == to.Addr().Is6()
}

// unicastReceiver is the one socket that gets a unicast datagram: one bound to
// the very address, else one of the port's sharers, always the same for the
// same two ends.
func (h *Host) unicastReceiver(from, to netip.AddrPort) *packetSocket {
	var sharers []*packetSocket
	for _, s := range h.packets {
		if s.local.Port() == to.Port() && s.local.Addr().WithZone("") == to.Addr() {
			return s
		}
		if s.sharesPort(to) {
			sharers = append(sharers, s)
		}
	}
	if len(sharers) == 0 {
		return nil
	}
	sum := fnv.New32a()
	sum.Write([]byte(from.String() + to.String()))
	return sharers[sum.Sum32()%uint32(len(sharers))]
}

// push queues a datagram unless the queue is full.
func (s *packetSocket) push(a arrival) {
	size := len(a.data) + queueOverhead
	if s.queued+size > queueBytes {
		return
	}
	s.queue = append(s.queue, a)
	s.queued += size
	s.ready.Signal()
}
