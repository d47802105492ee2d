package netlab

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
)

// Host is a machine of a lab: a network namespace with lo and one interface,
// eth0, eth1 and so on, per bridge.
type Host struct {
	lab   *Lab
	name  string
	ns    string
	plugs []*plug
}

// plug is a host's interface on a bridge and the bridge's end of the cable.
type plug struct {
	bridge   *Bridge
	device   string // of the host
	port     string // of the bridge
	mac      string
	prefixes []netip.Prefix
	off      bool // LinkDown or Unplug
}

// Host makes a machine on bridges. Without a bridge it has only lo. The name
// becomes part of the namespace's: letters, digits and "-".
func (l *Lab) Host(name string, on ...*Bridge) *Host {
	l.t.Helper()
	h := &Host{lab: l, name: name, ns: l.space(name)}
	for i, b := range on {
		h.connect(b, "eth"+strconv.Itoa(i))
	}
	l.must(h.nft("add", "table", "inet", "fm")...)
	for _, chain := range []string{"cuts", "loss"} {
		l.must(h.nft("add", "chain", "inet", "fm", chain, "{ type filter hook input priority 0; }")...)
	}
	l.hosts = append(l.hosts, h)
	return h
}

// connect lays a cable to a bridge.
func (h *Host) connect(b *Bridge, device string) {
	h.lab.t.Helper()
	b.issued++
	p := &plug{bridge: b, device: device, port: b.device + "p" + strconv.Itoa(b.issued), prefixes: b.issue()}
	h.lab.must("ip", "link", "add", "name", p.device, "netns", h.ns,
		"type", "veth", "peer", "name", p.port, "netns", h.lab.yard)
	h.lab.must("ip", "-n", h.lab.yard, "link", "set", p.port, "master", b.device, "up")
	if !slices.ContainsFunc(b.prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		h.sysctl("net.ipv6.conf." + p.device + ".disable_ipv6=1")
	}
	h.up(p)
	for _, i := range h.lab.interfaces(h.ns) {
		if i.Name == device {
			p.mac = i.MAC
		}
	}
	h.plugs = append(h.plugs, p)
}

// up brings an interface up with its addresses, also those of IPv6, which the
// kernel forgets when one goes down.
func (h *Host) up(p *plug) {
	h.lab.t.Helper()
	h.lab.must("ip", "-n", h.ns, "link", "set", p.device, "up")
	for _, a := range p.prefixes {
		argv := []string{"ip", "-n", h.ns, "addr", "replace", a.String(), "dev", p.device}
		if a.Addr().Is4() {
			argv = append(argv, "broadcast", "+")
		}
		h.lab.must(argv...)
	}
}

// issue gives out the next address of each of the bridge's prefixes.
func (b *Bridge) issue() []netip.Prefix {
	var own []netip.Prefix
	for _, p := range b.prefixes {
		if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			continue // the kernel makes these
		}
		raw := p.Addr().AsSlice()
		low := raw[len(raw)-4:]
		binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)+uint32(b.issued))
		a, _ := netip.AddrFromSlice(raw)
		own = append(own, netip.PrefixFrom(a, p.Bits()))
	}
	return own
}

// Name is the name that the host was made with.
func (h *Host) Name() string { return h.name }

// Namespace is the name of its network namespace, as "ip netns" knows it.
func (h *Host) Namespace() string { return h.ns }

// Addrs lists the host's addresses on its bridges, without link-local ones.
func (h *Host) Addrs() []netip.Addr {
	var all []netip.Addr
	for _, p := range h.plugs {
		for _, a := range p.prefixes {
			all = append(all, a.Addr())
		}
	}
	return all
}

// Command is a program to run on the host; ctx ends it, and so does the end of
// the lab.
func (h *Host) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.ns}, argv...)...)
}

// DisableIPv6 takes IPv6 from the whole host, as its kernel setting does.
func (h *Host) DisableIPv6() {
	h.lab.t.Helper()
	h.sysctl("net.ipv6.conf.all.disable_ipv6=1")
}

func (h *Host) sysctl(setting string) {
	h.lab.t.Helper()
	h.lab.must("ip", "netns", "exec", h.ns, "sysctl", "-qw", setting)
}
