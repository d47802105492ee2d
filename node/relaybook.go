package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/sockets"
)

// maxLearned is how many relays a node learns from others (protocol, section 8).
const maxLearned = 8

// attached is how many relays a node keeps attached when Config.MaxRelays does
// not say; configured ones are kept in any case.
const attached = 2

// knownRelays lists, with pins, the relays that work for this node, for others
// to learn.
func (n *Node) knownRelays() []string {
	var known []string
	for _, l := range n.allLines() {
		if a, ok := l.proven(); ok && !slices.Contains(known, a.String()) {
			known = append(known, a.String())
		}
	}
	return known
}

// proven is the relay's address with the identity that it proved as pin.
func (l *line) proven() (relay.Address, bool) {
	client := l.live()
	if client == nil {
		return relay.Address{}, false
	}
	a := l.address
	a.Pin, a.Pinned = client.RelayID(), true
	return a, true
}

// gossip tells a peer of the relays that work here.
func (n *Node) gossip(s *session) {
	var relays []wire.Relay
	for _, l := range n.allLines() {
		if a, ok := l.proven(); ok {
			bare := relay.Address{Authority: a.Authority, TLS: a.TLS}
			relays = append(relays, wire.Relay{Address: bare.String(), ID: a.Pin, Seen: 0})
		}
	}
	if len(relays) == 0 {
		return
	}
	if s.link.Post(wire.TypeGossip, wire.AppendGossip(nil, relays)) == nil {
		s.link.FlushLater()
	}
}

// learn takes over relays from a member's presence.
func (n *Node) learn(addresses []string) {
	for _, text := range addresses {
		if a, err := relay.ParseAddress(text); err == nil && a.Pinned {
			n.learnOne(relay.Address{Authority: a.Authority, TLS: a.TLS}.String(), a.Pin)
		}
	}
}

// learnOne remembers a relay that a member named and, while fewer relays than
// wanted are attached, tries it. Its identity must be the one that was named,
// and its address public: a member cannot make this node contact its own LAN.
func (n *Node) learnOne(text string, id relay.ID) {
	a, err := relay.ParseAddress(text)
	if err != nil {
		return
	}
	a.Pin, a.Pinned = id, true
	n.mu.Lock()
	known := len(n.learned) >= maxLearned || slices.Contains(n.learned, a) ||
		slices.ContainsFunc(n.relays, func(c relay.Address) bool { return c.Authority == a.Authority })
	if !known {
		n.learned = append(n.learned, a)
	}
	n.mu.Unlock()
	if !known {
		n.spawn(func() {
			n.relayBook.add(a)
			n.fillLines()
		})
	}
}

// fillLines attaches learned relays while fewer than wanted are attached, and
// gives up those that do not work.
func (n *Node) fillLines() {
	want := n.cfg.MaxRelays
	if want == 0 {
		want = max(attached, len(n.relays))
	}
	for _, l := range n.allLines() {
		if l.learned && l.dead() {
			n.closeLine(l)
		}
	}
	n.mu.Lock()
	candidates := slices.Clone(n.learned)
	n.mu.Unlock()
	for _, a := range candidates {
		if n.attachedRelays() >= want {
			return
		}
		if !slices.ContainsFunc(n.allLines(), func(l *line) bool { return l.address == a }) {
			n.openLine(a, true)
		}
	}
}

// attachedRelays counts relays that work or are being tried for the first time.
func (n *Node) attachedRelays() int {
	var relays []relay.Address
	for _, l := range n.allLines() {
		if !l.dead() && !slices.Contains(relays, l.address) {
			relays = append(relays, l.address)
		}
	}
	return len(relays)
}

// dead tells that the line was tried and is not joined.
func (l *line) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled && l.client == nil
}

// closeLine gives a learned relay up; it may be learned anew.
func (n *Node) closeLine(l *line) {
	l.stop()
	n.relayBook.demote(l.address)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = slices.DeleteFunc(n.lines, func(o *line) bool { return o == l })
	n.learned = slices.DeleteFunc(n.learned, func(a relay.Address) bool { return a == l.address })
}

// relayNet is the network for a relay: a learned one is dialled at public
// addresses only, whatever its name resolves to.
func (n *Node) relayNet(learned bool) sockets.Net {
	if learned {
		return publicNet{n.cfg.Net, n.cfg.allowRelay}
	}
	return n.cfg.Net
}

// publicNet dials public addresses only. The address that was checked is the
// one that is dialled: a name cannot resolve to another in between.
type publicNet struct {
	sockets.Net
	allow func(netip.Addr) bool
}

var errNotPublic = errors.New("not a public address")

func (p publicNet) Dial(ctx context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := p.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("relay %s: %w", address, errNotPublic)
	for _, addr := range addrs {
		if !p.allow(addr) {
			continue
		}
		var conn net.Conn
		if conn, err = p.Net.Dial(ctx, net.JoinHostPort(addr.Unmap().String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// special are the blocks that are not the public Internet, or that wrap
// addresses of others.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public tells whether an address belongs to the public Internet, in whatever
// spelling it came.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// RelayInfo describes the node's connection to one relay.
type RelayInfo struct {
	Address string        // with the pin that the relay proved, if connected
	Up      bool          // joined now
	RTT     time.Duration // to the relay
	Since   time.Time     // when it was joined
	Learned bool          // not configured, but heard of from other nodes
	Failure string        // why it is not up
}

// Relays tells about the relays this node uses or tries, the configured ones
// first. A relay is listed once, also when several keys of the ring join it.
func (n *Node) Relays() []RelayInfo {
	var infos []RelayInfo
	seen := map[relay.Address]bool{}
	for _, l := range n.allLines() {
		if seen[l.address] {
			continue
		}
		seen[l.address] = true
		infos = append(infos, l.info())
	}
	slices.SortStableFunc(infos, func(a, b RelayInfo) int {
		switch {
		case a.Learned == b.Learned:
			return 0
		case b.Learned:
			return -1
		}
		return 1
	})
	return infos
}

func (l *line) info() RelayInfo {
	info := RelayInfo{Address: l.address.String(), Learned: l.learned}
	if a, ok := l.proven(); ok {
		info.Address, info.Up = a.String(), true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		info.RTT, info.Since = l.client.RTT(), l.since
	} else if l.failure != nil {
		info.Failure = l.failure.Error()
	}
	return info
}
