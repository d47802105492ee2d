package relayserver

import "github.com/fernmesh/fernmesh/relay"

// endedMost is how many ended sessions of a member are remembered.
const endedMost = 256

// session is one of a member's, by the other end and its id.
type session struct {
	peer relay.Addr
	id   relay.SessionID
}

// endedSessions are the last sessions that the relay ended. What the member
// sent before it learned of that is dropped: both ends were told. The zero value
// is ready for use.
type endedSessions struct {
	set  map[session]struct{}
	ring []session
	next int
}

func (e *endedSessions) has(a relay.Addr, id relay.SessionID) bool {
	if e.set == nil {
		return false
	}
	_, ok := e.set[session{a, id}]
	return ok
}

func (e *endedSessions) add(a relay.Addr, id relay.SessionID) {
	s := session{a, id}
	if e.set == nil {
		e.set = map[session]struct{}{}
	}
	if len(e.ring) < endedMost {
		e.ring = append(e.ring, s)
	} else {
		delete(e.set, e.ring[e.next])
		e.ring[e.next] = s
		e.next = (e.next + 1) % endedMost
	}
	e.set[s] = struct{}{}
}
