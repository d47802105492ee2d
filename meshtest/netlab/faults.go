package netlab

import (
	"fmt"
	"slices"
)

// LinkDown switches the host's interface on a bridge off: it is listed as
// down, and its IPv6 addresses are gone.
func (h *Host) LinkDown(b *Bridge) {
	h.lab.t.Helper()
	p := h.plug(b)
	p.off = true
	h.lab.must("ip", "-n", h.ns, "link", "set", p.device, "down")
}

// LinkUp ends LinkDown. IPv6 addresses are tentative again: see WaitUsable.
func (h *Host) LinkUp(b *Bridge) {
	h.lab.t.Helper()
	p := h.plug(b)
	p.off = false
	h.up(p)
}

// Unplug pulls the cable to a bridge: the interface stays up and keeps its
// addresses, but nothing gets through.
func (h *Host) Unplug(b *Bridge) {
	h.lab.t.Helper()
	p := h.plug(b)
	p.off = true
	h.lab.must("ip", "-n", h.lab.yard, "link", "set", p.port, "down")
}

// Replug ends Unplug.
func (h *Host) Replug(b *Bridge) {
	h.lab.t.Helper()
	p := h.plug(b)
	p.off = false
	h.lab.must("ip", "-n", h.lab.yard, "link", "set", p.port, "up")
}

// Drop makes the host hear nothing more from other hosts, silently: whatever
// they send is dropped when it comes in. The other direction stays open.
func (h *Host) Drop(from ...*Host) {
	h.lab.t.Helper()
	for _, other := range from {
		for _, p := range other.plugs {
			h.lab.must(h.nft("add", "rule", "inet", "fm", "cuts", "ether", "saddr", p.mac, "drop")...)
		}
	}
}

// Heal ends all Drops of this host.
func (h *Host) Heal() {
	h.lab.t.Helper()
	h.lab.must(h.nft("flush", "chain", "inet", "fm", "cuts")...)
}

// Loss drops each packet that comes in over a bridge with probability p,
// between 0 and 1; 0 ends it.
func (h *Host) Loss(p float64) {
	h.lab.t.Helper()
	h.lab.must(h.nft("flush", "chain", "inet", "fm", "loss")...)
	if p > 0 {
		below := fmt.Sprint(int(p * 10000))
		h.lab.must(h.nft("add", "rule", "inet", "fm", "loss", "iifname", "!=", "lo",
			"numgen", "random", "mod", "10000", "<", below, "drop")...)
	}
}

// nft is a firewall command on the host.
func (h *Host) nft(args ...string) []string {
	return append([]string{"ip", "netns", "exec", h.ns, "nft"}, args...)
}

// plug is the host's interface on a bridge.
func (h *Host) plug(b *Bridge) *plug {
	h.lab.t.Helper()
	i := slices.IndexFunc(h.plugs, func(p *plug) bool { return p.bridge == b })
	if i < 0 {
		h.lab.t.Fatalf("host %s is not on bridge %s", h.name, b.device)
	}
	return h.plugs[i]
}
