package meshtest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// firstEphemeral is the first port given out for port 0.
const firstEphemeral = 49152

// Host is a machine on a World's LANs. It is the [sockets.Net] of whatever
// runs there; several nodes may run on one host.
type Host struct {
	w         *World
	name      string
	ifaces    []*iface // the first is lo
	lastIndex int
	lastEth   int
	nextPort  uint16

	down bool          // off the LANs
	dead bool          // crashed
	gone chan struct{} // closed by a crash, made anew by Up

	listeners []*listener
	packets   []*packetSocket
}

var _ sockets.Net = (*Host)(nil)

// iface is a network interface of a host; lan is nil for lo.
type iface struct {
	host     *Host
	lan      *LAN
	name     string
	index    int
	prefixes []netip.Prefix
	usable   time.Time // from when its IPv6 addresses can be bound
	removed  bool
}

// Name is the name that the host was made with, and by which it is resolved.
func (h *Host) Name() string { return h.name }

// Addr is the host's first address on a LAN; the zero Addr if it has none.
func (h *Host) Addr() netip.Addr {
	if all := h.Addrs(); len(all) > 0 {
		return all[0]
	}
	return netip.Addr{}
}

// Addrs lists the host's addresses on all its LANs, without link-local ones,
// also while it is down.
func (h *Host) Addrs() []netip.Addr {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.globalAddrs()
}

func (h *Host) globalAddrs() []netip.Addr {
	var all []netip.Addr
	for _, ifc := range h.ifaces[1:] {
		for _, p := range ifc.prefixes {
			if !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p.Addr())
			}
		}
	}
	return all
}

// Down takes the host off its LANs, as pulled cables do: its interfaces but lo
// leave the list, nothing gets in or out, connections stall.
func (h *Host) Down() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.down = true
}

// Up ends Down and Crash. Connections that stalled go on; to those that a
// crash killed, the other end's next bytes are answered by a reset.
func (h *Host) Up() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.down = false
	if h.dead && !h.w.closed {
		h.dead, h.gone = false, make(chan struct{})
	}
	h.w.resume()
}

// Crash cuts the host's power: all its sockets are dead, and no other host is
// told. Calls on them, and new ones, fail until Up.
func (h *Host) Crash() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.down = true
	h.kill()
}

// AddInterface connects the host to a LAN while it runs.
func (h *Host) AddInterface(l *LAN) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.attach(l)
}

// RemoveInterface takes the host's interface on a LAN away. What used it
// stalls for good; a new interface has new addresses and a new index.
func (h *Host) RemoveInterface(l *LAN) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, ifc := range h.ifaces[1:] {
		if ifc.lan == l {
			ifc.removed = true
			l.members = slices.DeleteFunc(l.members, func(m *iface) bool { return m == ifc })
		}
	}
	h.ifaces = slices.DeleteFunc(h.ifaces, func(ifc *iface) bool { return ifc.removed })
}

// Renumber gives the host new addresses on a LAN in place of the old ones.
// Connections and sockets on the old ones stall.
func (h *Host) Renumber(l *LAN) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, ifc := range h.ifaces[1:] {
		if ifc.lan == l {
			ifc.number()
		}
	}
}

// attach adds an interface on a LAN; lo for nil.
func (h *Host) attach(l *LAN) {
	h.lastIndex++
	ifc := &iface{host: h, lan: l, index: h.lastIndex, name: "lo"}
	if l == nil {
		ifc.prefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	} else {
		ifc.name = "eth" + strconv.Itoa(h.lastEth)
		h.lastEth++
		ifc.number()
		l.members = append(l.members, ifc)
	}
	h.ifaces = append(h.ifaces, ifc)
}

// kill ends all sockets of the host without a packet.
func (h *Host) kill() {
	if h.dead {
		return
	}
	h.dead = true
	close(h.gone)
	for l := range h.w.links {
		l.kill(h)
	}
	for _, l := range h.listeners {
		l.closed = true
		l.ready.Broadcast()
	}
	for _, s := range h.packets {
		s.closed, s.queue = true, nil
		s.ready.Broadcast()
	}
	h.listeners, h.packets = nil, nil
}

// Interfaces lists the interfaces that are up.
func (h *Host) Interfaces() ([]sockets.Interface, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	var all []sockets.Interface
	for _, ifc := range h.ifaces {
		if ifc.live() {
			all = append(all, ifc.describe())
		}
	}
	return all, nil
}

// byIndex is the live interface with an index.
func (h *Host) byIndex(index int) *iface {
	for _, ifc := range h.ifaces {
		if ifc.index == index && ifc.live() {
			return ifc
		}
	}
	return nil
}

// holder is the live interface of the host on a LAN (nil: any, as for packets
// to itself) that has an address.
func (h *Host) holder(l *LAN, addr netip.Addr) *iface {
	for _, ifc := range h.ifaces {
		if (l == nil || ifc.lan == l) && ifc.live() && ifc.has(addr) {
			return ifc
		}
	}
	return nil
}

func (i *iface) number() {
	i.prefixes = i.lan.issue()
	i.usable = time.Now().Add(i.lan.tentative)
}

// live tells whether packets pass the interface now.
func (i *iface) live() bool {
	if i.lan == nil {
		return !i.host.dead
	}
	return !i.host.down && !i.host.dead && !i.removed
}

func (i *iface) has(addr netip.Addr) bool {
	addr = addr.WithZone("")
	return slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool {
		return p.Addr() == addr || i.lan == nil && p.Contains(addr) && !i.isBroadcast(addr)
	})
}

// isBroadcast tells whether an address reaches all hosts on the interface.
func (i *iface) isBroadcast(addr netip.Addr) bool {
	if addr == limitedBroadcast {
		return true
	}
	return slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool {
		b, ok := sockets.BroadcastAddr(p)
		return ok && b == addr
	})
}

// ofFamily is the interface's first address of an IP family, global ones first.
func (i *iface) ofFamily(v6 bool) (netip.Addr, error) {
	for _, p := range i.prefixes {
		if p.Addr().Is6() == v6 {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s has no address of this family: %w", i.name, errUnreachable)
}

func (i *iface) describe() sockets.Interface {
	d := sockets.Interface{
		Name: i.name, Index: i.index, MTU: 65536,
		Up: true, Loopback: true, Prefixes: slices.Clone(i.prefixes),
	}
	if i.lan != nil {
		d.MTU, d.Loopback, d.Broadcast, d.Multicast = 1500, false, true, true
	}
	return d
}
