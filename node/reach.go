package node

import (
	"context"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/link"
)

// dial is one attempt to reach a member, shared by all calls that wait for it.
type dial struct {
	done    chan struct{}
	session *session
	err     error
}

// reach returns a session to the member that may carry new calls, other than
// avoid, making a link if need be. Several callers share one attempt.
func (n *Node) reach(ctx context.Context, m *member, avoid *session) (*session, error) {
	n.roster.mu.Lock()
	if s := m.pick(avoid); s != nil {
		n.roster.mu.Unlock()
		return s, nil
	}
	return n.share(ctx, m, &m.dialing, n.ways(m, avoid), func() *session { return m.pick(avoid) })
}

// reachBeside is reach over another path than that of s, and no other link is
// made on the path of s.
func (n *Node) reachBeside(ctx context.Context, m *member, s *session) (*session, error) {
	n.roster.mu.Lock()
	if other := m.pickBeside(s); other != nil {
		n.roster.mu.Unlock()
		return other, nil
	}
	ways := slices.DeleteFunc(n.ways(m, s), func(w way) bool { return w.key == s.key })
	return n.share(ctx, m, &m.besides, ways, func() *session { return m.pickBeside(s) })
}

// share waits for the attempt in slot, beginning it if there is none, or until
// found finds a session that came up otherwise: the member may have dialled us.
// The caller holds roster.mu, which share gives up.
func (n *Node) share(ctx context.Context, m *member, slot **dial, ways []way, found func() *session) (*session, error) {
	d := *slot
	if d == nil {
		d = &dial{done: make(chan struct{})}
		*slot = d
		name := m.name
		if !n.spawn(func() { n.runDial(d, slot, m, name, ways) }) {
			*slot = nil
			n.roster.mu.Unlock()
			return nil, ErrShutdown
		}
	}
	changed := n.roster.changed
	n.roster.mu.Unlock()
	for {
		select {
		case <-d.done:
			return d.session, d.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
			n.roster.mu.Lock()
			s := found()
			changed = n.roster.changed
			n.roster.mu.Unlock()
			if s != nil {
				return s, nil
			}
		}
	}
}

func (n *Node) runDial(d *dial, slot **dial, m *member, name string, ways []way) {
	ctx, cancel := context.WithTimeout(n.ctx, 2*max(n.cfg.Timers.Handshake, n.timers(name).Hello))
	defer cancel()
	var s *session
	l, life, err := n.race(ctx, whom{name: name, peer: n.peers.find(name)}, ways)
	if err == nil {
		s, err = n.adopt(l, life, "")
	}
	if refusedHere(err) && n.roster.best(m, nil) == nil {
		n.roster.doubt(m) // another may claim the name rightly
	}
	n.roster.mu.Lock()
	*slot = nil
	n.roster.mu.Unlock()
	d.session, d.err = s, err
	close(d.done)
}

// adopt starts a session on a fresh link and settles which links part for it.
// host is the address of a static peer that was dialled, whose link is kept.
func (n *Node) adopt(l *link.Link, life *life, host string) (*session, error) {
	s := &session{link: l, peer: l.Peer(), created: time.Now(), keepAlive: host != "", key: life.key, life: life}
	if !s.peer.Capabilities.Observer {
		n.peers.introduced(life, s.peer.Hello.Name, host)
	}
	life.move(StateReady)
	n.peerBook.open(s)
	s.conn = n.newConn(s)
	parting := n.roster.attach(s, n.Name())
	if !n.spawn(func() { n.serve(s) }) {
		n.roster.detach(s, true, ErrShutdown)
		s.link.Close(ErrShutdown)
		_ = s.conn.Run() // ends at once and tidies up
		n.peerBook.close(s)
		life.end(ReasonShutdown, ErrShutdown)
		return nil, ErrShutdown
	}
	for o, why := range parting {
		n.part(o, why)
	}
	if _, lost := parting[s]; lost {
		if other := n.sibling(s); other != nil {
			return other, nil
		}
	}
	return s, nil
}

// sibling returns the link that a lost meeting leaves to the same peer.
func (n *Node) sibling(s *session) *session {
	if m := n.roster.find(s.peer.Hello.Instance); m != nil {
		return n.roster.best(m, s)
	}
	return nil
}
