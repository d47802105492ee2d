package node

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maintainEvery is the period of the node's housekeeping, unless sessions are to
// be renewed more often; wakeJump is how far the clocks may part in one period
// before the machine is taken to have slept.
const (
	maintainEvery = 5 * time.Second
	wakeJump      = 10 * time.Second
)

// maintain closes idle links, renews old ones with a fresh key exchange, drops
// every link after the machine slept, since their peers have given up on them,
// and keeps the history.
func (n *Node) maintain() {
	tick := time.NewTicker(min(maintainEvery, max(n.cfg.Timers.Renew/2, time.Millisecond)))
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-tick.C:
		case <-n.closing:
			return
		}
		now := time.Now()
		if slept(last, now) {
			n.wokeUp()
		}
		last = now
		n.tick()
		for _, s := range n.roster.all() {
			n.review(s, now)
		}
		n.fillLines()
		n.preferLAN(now)
	}
}

// lanRetry is how often a LAN link is tried to a member that is linked through
// a relay although discovery sees it.
const lanRetry = 10 * time.Second

// preferLAN brings members back to the LAN: calls take the LAN link as soon as
// there is one.
func (n *Node) preferLAN(now time.Time) {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	for _, m := range n.roster.members {
		s := m.pick(nil)
		if s == nil || s.key == lanPath || len(m.addrs) == 0 || m.dialing != nil || now.Sub(m.lanTried) < lanRetry {
			continue
		}
		m.lanTried = now
		d := &dial{done: make(chan struct{})}
		name, ways := m.name, n.lanWays(order(slices.Clone(m.addrs)))
		if n.spawn(func() { n.runDial(d, &m.dialing, m, name, ways) }) {
			m.dialing = d
		}
	}
}

// slept compares the wall clock, which runs on while the machine sleeps, with
// the monotonic clock, which stands still.
func slept(last, now time.Time) bool {
	wall := now.Round(0).Sub(last.Round(0))
	return wall-now.Sub(last) > wakeJump
}

var errSlept = errors.New("the machine slept")

func (n *Node) wokeUp() {
	for _, s := range n.roster.all() {
		s.parting.Store(true)
		s.conn.Close(errSlept)
	}
	n.ask()
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
