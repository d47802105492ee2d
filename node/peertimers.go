package node

import (
	"fmt"
	"time"
)

// PeerTimers are the times of one peer; a zero field is the node's own value.
// They are kept exactly, not rounded to a period.
type PeerTimers struct {
	// Hello is how long a link made to the peer may take from the connection to
	// the peer's good HELLO, and as long again for the connection before it. For
	// a link that the peer makes, Timers.Handshake holds: nobody knows yet who is
	// there.
	Hello time.Duration
	// Pong is how long a PING may stay without its PONG before the link ends.
	Pong time.Duration
	// Idle is after how much silence a PING is sent while no call is pending.
	Idle time.Duration
	// Reconnect is how long a lost persistent peer is left alone at least before
	// it is dialled again. Some more, by chance, is added to it, and after each
	// failure it is doubled, up to Timers.StaticRetryMax.
	Reconnect time.Duration
}

// DiameterTimers are the times of Diameter nodes: 4 s for HELLO, 4 s for PONG,
// PING after 30 s, reconnect after 30 s.
var DiameterTimers = PeerTimers{Hello: 4 * time.Second, Pong: 4 * time.Second, Idle: 30 * time.Second, Reconnect: 30 * time.Second}

// With returns t with the values of p where these are set, so that they hold for
// every peer:
//
//	cfg.Timers = cfg.Timers.With(node.DiameterTimers)
func (t Timers) With(p PeerTimers) Timers {
	p = p.or(PeerTimers{t.Handshake, t.Dead, t.IdlePing, t.StaticRetryMin})
	t.Handshake, t.Dead, t.IdlePing, t.StaticRetryMin = p.Hello, p.Pong, p.Idle, p.Reconnect
	return t
}

func (p PeerTimers) or(def PeerTimers) PeerTimers {
	or(&p.Hello, def.Hello)
	or(&p.Pong, def.Pong)
	or(&p.Idle, def.Idle)
	or(&p.Reconnect, def.Reconnect)
	return p
}

// timers are those that hold for a peer, known by its name or a configured address.
func (n *Node) timers(names ...string) PeerTimers {
	t := n.cfg.Timers
	def := PeerTimers{Hello: t.Handshake, Pong: t.Dead, Idle: t.IdlePing, Reconnect: t.StaticRetryMin}
	for _, name := range names {
		if p, ok := n.cfg.PeerTimers[name]; ok && name != "" {
			return p.or(def)
		}
	}
	return def
}

// Timers are the times that hold for the peer.
func (p *Peer) Timers() PeerTimers {
	s := p.Status()
	return p.node.timers(append([]string{s.Name}, s.Configured...)...)
}

func checkPeerTimers(c *Config) error {
	for name, p := range c.PeerTimers {
		for _, d := range []time.Duration{p.Hello, p.Pong, p.Idle, p.Reconnect} {
			if d < 0 || d > 0 && d < minPeerTimer {
				return &ConfigError{"PeerTimers", fmt.Sprintf("%v for %q is below %v", d, name, minPeerTimer), "use a longer time, or 0 for the node's own"}
			}
		}
	}
	return nil
}

// minPeerTimer keeps a typing error from flooding a peer.
const minPeerTimer = 10 * time.Millisecond

// timersOf are the times of a session's peer.
func (n *Node) timersOf(s *session) PeerTimers {
	if s.peer.Capabilities.Observer {
		return n.timers()
	}
	return n.timers(append([]string{s.peer.Hello.Name}, n.peers.hostsOf(s.life)...)...)
}
