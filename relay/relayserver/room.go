package relayserver

import (
	"bytes"
	"sync"

	"github.com/fernmesh/fernmesh/relay"
)

// room is the members of one network at this relay. Frames pass only between
// members of one room.
type room struct {
	id [32]byte

	mu      sync.RWMutex
	members map[relay.Addr]*member
	news    news
}

// member returns who has the address.
func (r *room) member(a relay.Addr) *member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.members[a]
}

// cast gives a member's presence token to all others, and to those to come.
func (r *room) cast(m *member, token []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.token = bytes.Clone(token)
	for a, other := range r.members {
		if a != m.addr {
			other.out.cast(m.addr, m.token)
		}
	}
	r.announce()
}

// join adds a member to its room and has it greeted: JOINED, then what there is
// of the others. An address is never taken over.
func (s *Server) join(m *member, id [32]byte, joined []byte) *relay.RefusedError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return s.drainingError()
	}
	r := s.rooms[id]
	if r == nil {
		if len(s.rooms) >= s.cfg.Limits.Rooms {
			return &relay.RefusedError{Code: relay.RefusedFull, RetryAfter: retryFull, Text: "this relay has no more rooms"}
		}
		r = &room{id: id, members: map[relay.Addr]*member{}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.addr] != nil {
		return &relay.RefusedError{Code: relay.RefusedTaken, Text: "another member has this address"}
	}
	if len(r.members) >= s.cfg.Limits.RoomMembers {
		return &relay.RefusedError{Code: relay.RefusedFull, RetryAfter: retryFull, Text: "this room has no more places"}
	}
	m.room = r
	m.outlet.Hold()
	m.out.frame(joined)
	for a, other := range r.members {
		m.out.up(a)
		if other.token != nil {
			m.out.cast(a, other.token)
		}
		other.out.up(m.addr)
	}
	if len(r.members) > 0 {
		r.announce()
	}
	r.members[m.addr] = m
	s.rooms[id] = r
	s.count.rooms.Store(int64(len(s.rooms)))
	s.count.members.Add(1)
	s.count.joins.Add(1)
	return nil
}

// leave takes a member out of its room, and the room away if it was the last.
func (s *Server) leave(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m.addr)
	for _, other := range r.members {
		other.out.down(m.addr)
	}
	r.announce()
	if len(r.members) == 0 {
		r.hush()
		delete(s.rooms, r.id)
	}
	s.count.rooms.Store(int64(len(s.rooms)))
	s.count.members.Add(-1)
	s.checkEmptied()
}
