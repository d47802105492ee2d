package node

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maintainEvery is the period of the node's housekeeping, unless sessions are to
// be renewed more often.
const maintainEvery = 2 * time.Second

// maintain notices changes of the network around the node, closes idle links,
// renews old ones with a fresh key exchange, has idle ones give up large buffers,
// sees to it that calls take the best path, and keeps the history.
func (n *Node) maintain() {
	tick := time.NewTicker(min(maintainEvery, max(n.cfg.Timers.Renew/2, time.Millisecond)))
	defer tick.Stop()
	n.lookAround(time.Now())
	for {
		select {
		case <-tick.C:
		case <-n.closing:
			return
		}
		now := time.Now()
		n.lookAround(now)
		n.tick()
		for _, s := range n.roster.all() {
			n.review(s, now)
		}
		n.fillLines()
		n.preferLAN(now)
		n.comparePaths()
	}
}

// comparePaths has calls take a better path as soon as nothing is held against
// it any more. Links that stand by are asked for their round trip, those that
// broke lately again and again: one that falls silent is not steady.
func (n *Node) comparePaths() {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	for _, m := range n.roster.members {
		if len(m.sessions) < 2 {
			continue
		}
		n.roster.prefer(m, "")
		for _, s := range m.sessions {
			if !s.parting.Load() && (s.conn.RTT() == 0 || s.key != m.path && m.unsteady(s, time.Now()) > 0) {
				n.spawn(func() { n.prove(s) })
			}
		}
	}
}

// prove pings over a link, and counts it as silent if no answer comes in time.
func (n *Node) prove(s *session) {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timers.Suspect)
	defer cancel()
	_, err := s.conn.Ping(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(s.link.LastReceived()) >= n.cfg.Timers.Suspect {
		n.roster.suspect(s)
	}
}

// lanRetry is how often a LAN link is tried to a member that is linked through
// a relay although discovery sees it.
const lanRetry = 5 * time.Second

// preferLAN brings members back to the LAN: calls take the LAN link as soon as
// there is one.
func (n *Node) preferLAN(now time.Time) {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	for _, m := range n.roster.members {
		lan := m.sessions[lanPath]
		if m.pick(nil) == nil || lan != nil && lan.fit() || len(m.addrs) == 0 || m.dialing != nil || now.Sub(m.lanTried) < lanRetry {
			continue
		}
		m.lanTried = now
		d := &dial{done: make(chan struct{})}
		name, ways := m.name, n.lanWays(order(slices.Clone(m.addrs)))
		for i, w := range ways {
			ways[i] = n.roster.watched(m, w)
		}
		if n.spawn(func() { n.runDial(d, &m.dialing, m, name, ways) }) {
			m.dialing = d
		}
	}
}

func (n *Node) review(s *session, now time.Time) {
	t, age := n.cfg.Timers, now.Sub(s.created)
	switch {
	case s.parting.Load():
	case age > t.HardEnd:
		n.part(s, parted{code: byeNotNeeded, text: "the session is too old"})
	case age > t.Renew && s.link.Initiator() && !s.renewing.Swap(true):
		n.renew(s)
	case !s.keepAlive && s.conn.Pending() == 0 && s.conn.Serving() == 0 && now.Sub(s.conn.LastUse()) > t.IdleClose:
		n.part(s, parted{code: byeNotNeeded, text: "idle"})
	}
	s.link.Trim()
}

// renew makes a new link beside an old one; adopting it drains the old one.
// If that fails, the next review tries again.
func (n *Node) renew(s *session) {
	m := n.roster.find(s.peer.Hello.Instance)
	if m == nil {
		return
	}
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, 2*n.cfg.Timers.Handshake)
		defer cancel()
		if _, err := n.reach(ctx, m, s); err != nil {
			s.renewing.Store(false)
			return
		}
		n.count.Renewals.Add(1)
	})
}
