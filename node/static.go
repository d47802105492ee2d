package node

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
)

// keepStatic keeps a link to a static peer, whoever answers there, until the
// node shuts down. While the peer is linked in any way it only waits.
func (n *Node) keepStatic(host string) {
	wait := n.cfg.Timers.StaticRetryMin
	for !n.isClosing() {
		began := time.Now()
		if s := n.dialStatic(host); s != nil {
			n.linked(s)
			if time.Since(began) > n.cfg.Timers.StaticRetryMax {
				wait = n.cfg.Timers.StaticRetryMin
			}
		}
		wait *= 2
		if n.nap(n.ctx, wait/4+rand.N(wait/4)) { // jitter: peers of a restarted node do not come back in step
			wait = n.cfg.Timers.StaticRetryMin
		}
		wait = min(wait, n.cfg.Timers.StaticRetryMax)
	}
}

func (n *Node) dialStatic(host string) *session {
	ctx, cancel := context.WithTimeout(n.ctx, 2*n.cfg.Timers.Handshake)
	defer cancel()
	addrs := n.staticAddrs(host)
	if len(addrs) == 0 {
		return nil
	}
	l, w, err := n.race(ctx, "", n.lanWays(addrs))
	if err != nil {
		n.events.emit(Event{Kind: SourceReport, Reason: "static peer " + host + ": " + err.Error()})
		return nil
	}
	s, err := n.adopt(l, w.key, true)
	if err != nil {
		return nil
	}
	return s
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

// linked waits while the peer of the session has any link.
func (n *Node) linked(s *session) {
	id := s.peer.Hello.Instance
	for {
		linked, changed := n.roster.linked(id)
		if !linked {
			return
		}
		select {
		case <-changed:
		case <-n.closing:
			return
		}
	}
}

func (r *roster) linked(id crypto.InstanceID) (bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	return m != nil && m.pick(nil) != nil, r.changed
}

// pause waits; false means that the node is shutting down.
func (n *Node) pause(d time.Duration) bool { return sleep(n.ctx, d) && !n.isClosing() }
