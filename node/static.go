package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/fernmesh/fernmesh/discovery"
)

// dialStatic makes a link to whoever is at a static peer's address.
func (n *Node) dialStatic(host string) {
	addrs := n.staticAddrs(host)
	if len(addrs) == 0 {
		return
	}
	r := n.peers.find(host)
	hello := n.timers(n.peers.nameAt(host), host).Hello
	ctx, cancel := context.WithTimeout(n.ctx, 2*max(hello, n.cfg.Timers.Handshake))
	defer cancel()
	l, life, err := n.race(ctx, whom{host: host, peer: r}, n.lanWays(addrs))
	if err != nil {
		n.events.emit(Event{Kind: SourceReport, Reason: "static peer " + host + ": " + err.Error()})
		return
	}
	_, _ = n.adopt(l, life, host) // it fails when the node shuts down
}

// staticAddrs returns what discovery last resolved the host to.
func (n *Node) staticAddrs(host string) []netip.AddrPort {
	n.mu.Lock()
	disc := n.disc
	n.mu.Unlock()
	var addrs []discovery.Addr
	for _, e := range disc.Entries() {
		if e.Host == host {
			addrs = append(addrs, e.Addrs...)
		}
	}
	return order(addrs)
}

// pause waits; false means that the node is shutting down.
func (n *Node) pause(d time.Duration) bool { return sleep(n.ctx, d) && !n.isClosing() }
