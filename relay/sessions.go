package relay

import (
	"fmt"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// sessionKey is how a member knows its sessions.
type sessionKey struct {
	peer Addr
	id   SessionID
}

// Open begins a session with a member and returns its channel, for the
// initiator. Nothing is sent yet: the first record announces it. The errors are
// *GoneError with GoneAbsent for an address that is not up, ErrTooManySessions,
// and what ended the client.
func (c *Client) Open(peer Addr) (*Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if _, up := c.members[peer]; !up {
		return nil, &GoneError{Code: GoneAbsent, Local: true}
	}
	if len(c.sessions) >= c.cfg.Limits.Sessions {
		return nil, ErrTooManySessions
	}
	key := sessionKey{peer, newSessionID()}
	for c.sessions[key] != nil {
		key.id = newSessionID()
	}
	ch := newChannel(c, key, true)
	c.sessions[key] = ch
	return ch, nil
}

// receive brings a record to its channel.
func (c *Client) receive(body []byte) error {
	r, err := ParseRecord(body)
	if err != nil {
		return err
	}
	if r.Peer == c.self {
		return fmt.Errorf("%w: a record of our own", ErrProtocol)
	}
	key := sessionKey{r.Peer, r.Session}
	c.mu.Lock()
	ch := c.sessions[key]
	c.mu.Unlock()
	switch {
	case ch != nil:
		if !ch.in.deliver(r.Body) {
			c.leave(ch, &GoneError{Code: GoneOverflow, Local: true})
		}
		return nil
	case len(r.Body) == wire.HandshakeLen: // no frame's token has this length
		return c.accept(key, r.Body)
	}
	return c.refuse(key, GoneUnknown)
}

// accept makes a channel of a session that a member begins. It is only called
// by Run, which is why nobody else can have made one meanwhile.
func (c *Client) accept(key sessionKey, first []byte) error {
	c.mu.Lock()
	full := len(c.sessions) >= c.cfg.Limits.Sessions || c.accepted >= c.cfg.Limits.Accepted
	if full || c.err != nil {
		c.mu.Unlock()
		return c.refuse(key, GoneOverflow)
	}
	ch := newChannel(c, key, false)
	c.sessions[key] = ch
	c.accepted++
	c.mu.Unlock()
	if !ch.in.deliver(first) {
		c.leave(ch, &GoneError{Code: GoneOverflow, Local: true})
		return nil
	}
	c.cfg.Handler.Accept(ch)
	return nil
}

// refuse answers a record of a session that is not ours: once.
func (c *Client) refuse(key sessionKey, code GoneCode) error {
	c.mu.Lock()
	first := c.told.add(key)
	c.mu.Unlock()
	if first && !c.out.gone(Gone{key.peer, key.id, code}) {
		return ErrNotReading
	}
	return nil
}

// gone ends the session that the peer or the relay gave up. It is never
// answered, and for an unknown session it is nothing.
func (c *Client) gone(body []byte) error {
	g, err := ParseGone(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	ch := c.sessions[sessionKey{g.Peer, g.Session}]
	if ch != nil {
		c.forget(ch)
	}
	c.mu.Unlock()
	if ch != nil {
		ch.end(&GoneError{Code: g.Code})
	}
	return nil
}

// leave ends a session from this side and tells the peer. A closed channel's
// records leave before its GONE; those of an overflow are dropped.
func (c *Client) leave(ch *Channel, cause error) {
	c.mu.Lock()
	ours := c.sessions[ch.key] == ch
	if ours {
		c.forget(ch)
		c.told.add(ch.key) // what is under way needs no second GONE
	}
	c.mu.Unlock()
	if !ours {
		return // it ended before, and nobody is to be told
	}
	g := Gone{ch.key.peer, ch.key.id, GoneClosed}
	if e, ok := cause.(*GoneError); ok {
		g.Code = e.Code
		c.out.drop(&ch.out)
	}
	taken := c.out.finish(&ch.out, g)
	ch.end(cause)
	if !taken {
		c.fail(ErrNotReading)
	}
}

// forget takes a session out of the table. The caller holds mu.
func (c *Client) forget(ch *Channel) {
	delete(c.sessions, ch.key)
	if !ch.initiator {
		c.accepted--
	}
}

// toldMost is how many sessions a client remembers to have given up.
const toldMost = 1024

// toldSet is the last toldMost sessions that GONE was sent for.
type toldSet struct {
	keys map[sessionKey]struct{}
	ring []sessionKey
	next int
}

// add enters a session and reports whether it is new.
func (s *toldSet) add(key sessionKey) bool {
	if _, ok := s.keys[key]; ok {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[sessionKey]struct{})
	}
	s.keys[key] = struct{}{}
	if len(s.ring) < toldMost {
		s.ring = append(s.ring, key)
		return true
	}
	delete(s.keys, s.ring[s.next])
	s.ring[s.next] = key
	s.next = (s.next + 1) % toldMost
	return true
}
