package node

import (
	"context"
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
	d := m.dialing
	if d == nil {
		d = &dial{done: make(chan struct{})}
		m.dialing = d
		name, ways := m.name, n.ways(m, avoid)
		if !n.spawn(func() { n.runDial(d, m, name, ways) }) {
			m.dialing = nil
			n.roster.mu.Unlock()
			return nil, ErrShutdown
		}
	}
	n.roster.mu.Unlock()
	select {
	case <-d.done:
		return d.session, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *Node) runDial(d *dial, m *member, name string, ways []way) {
	ctx, cancel := context.WithTimeout(n.ctx, 2*n.cfg.Timers.Handshake)
	defer cancel()
	var s *session
	l, w, err := n.race(ctx, name, ways)
	if err == nil {
		s, err = n.adopt(l, w.key, false)
	}
	n.roster.mu.Lock()
	m.dialing = nil
	n.roster.mu.Unlock()
	d.session, d.err = s, err
	close(d.done)
}

// adopt starts a session on a fresh link and settles which links part for it.
func (n *Node) adopt(l *link.Link, key pathKey, keepAlive bool) (*session, error) {
	s := &session{link: l, peer: l.Peer(), created: time.Now(), keepAlive: keepAlive, key: key}
	s.conn = n.newConn(s)
	parting := n.roster.attach(s, n.Name())
	if !n.spawn(func() { n.serve(s) }) {
		n.roster.detach(s)
		s.link.Close(ErrShutdown)
		_ = s.conn.Run() // ends at once and tidies up
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
