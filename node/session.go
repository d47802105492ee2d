package node

import (
	"bytes"
	"cmp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// session is one link to one peer with its calls. The goroutine that runs it
// (serve) ends it; parting marks it as unfit for new calls.
type session struct {
	conn      *rpc.Conn
	link      *link.Link
	peer      link.Peer
	key       pathKey
	life      *life
	created   time.Time
	parting   atomic.Bool
	renewing  atomic.Bool
	measured  atomic.Bool // a ping was sent for its round trip
	record    *peerRecord // what is counted of the peer
	silent    time.Time   // when the peer was found silent; guarded by roster.mu
	keepAlive bool        // a static peer: never closed for being idle
}

// crossWindow: two links dialled from opposite sides within it are one
// meeting, of which both sides keep the same link (protocol, section 6).
const crossWindow = 5 * time.Second

func (s *session) info() PathInfo {
	cipher := CipherFernet
	if s.link.Agreement().Bulk() {
		cipher = CipherBulk
	}
	return PathInfo{
		Kind: kind(s.key.transport), Addr: s.peer.Remote, RTT: s.conn.RTT(), Dialed: s.link.Initiator(),
		Since: s.created, Cipher: cipher,
	}
}

// attach enters a new session in the roster and returns the sessions that
// have to part because of it, possibly the new one itself.
func (r *roster) attach(s *session, own string) (parting map[*session]parted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parting = map[*session]parted{}
	if s.peer.Capabilities.Observer {
		r.observers[s] = struct{}{}
		return parting
	}
	hello := s.peer.Hello
	m := r.ensure(hello.Instance, hello.Name, shownKey(hello.NodeKey, hello.HasID), "linked from "+s.peer.Remote)
	if m == nil {
		parting[s] = parted{code: byeNotNeeded, text: "the roster is full"}
		return parting
	}
	m.lastSeen, m.doubted = s.created, time.Time{}
	m.told(s.peer.Capabilities.Status)
	r.offered(m)
	m.says, m.features, m.born = s.peer.Capabilities, s.link.Agreement().Features, s.created.Add(-s.peer.Capabilities.Up)
	if hello.HasID {
		r.identify(m, hello.NodeKey)
		if !r.succeed(m, parting) {
			parting[s] = parted{code: byeReplaced, text: "the node restarted, and its younger instance is linked"}
			return parting
		}
	}
	old := m.sessions[s.key]
	switch {
	case old == nil || old.parting.Load():
		m.sessions[s.key] = s
	case r.crossed(old, s) && r.keeps(old, own):
		parting[s] = parted{code: byeElectionLost}
	default:
		m.sessions[s.key] = s
		why := parted{code: byeReplaced}
		if r.crossed(old, s) {
			why.code = byeElectionLost
		}
		parting[old] = why
	}
	m.record(s.key, s.peer.Remote).down = false
	r.prefer(m, m.displaced())
	r.wake()
	return parting
}

// parted says with which BYE a session ends.
type parted struct {
	code byeCode
	text string
	gone bool // the peer's instance is no more: nobody answers there
}

// crossed tells whether two links of one pair are two ends of one meeting.
func (r *roster) crossed(a, b *session) bool {
	return a.link.Initiator() != b.link.Initiator() && b.created.Sub(a.created).Abs() <= crossWindow
}

// keeps tells whether the link survives a meeting: the one whose initiator has
// the lower name, then the lower instance id.
func (r *roster) keeps(s *session, own string) bool {
	order := cmp.Or(strings.Compare(own, s.peer.Hello.Name), bytes.Compare(r.self[:], s.peer.Hello.Instance[:]))
	return s.link.Initiator() == (order < 0)
}

// detach removes a session that ended; parting tells that its end was begun
// before. The member goes with it unless discovery still sees it or another link
// holds.
func (r *roster) detach(s *session, parting bool, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.observers, s)
	m := r.members[s.peer.Hello.Instance]
	if m == nil || s.peer.Capabilities.Observer {
		return
	}
	m.closed(s, parting, cause)
	if m.sessions[s.key] != s {
		return
	}
	why := reason(cause)
	delete(m.sessions, s.key)
	m.byLink = m.byLink && len(m.sessions) > 0
	if !m.here() {
		r.forget(m, "disconnected: "+why)
		return
	}
	r.prefer(m, "the other ended: "+why)
	r.wake()
}

// here tells whether anything speaks for the member: discovery, a relay or a
// link. Callers hold roster.mu.
func (m *member) here() bool {
	return m.advertised || len(m.seats) > 0 || len(m.sessions) > 0
}

// best returns the member's live session, or nil; avoid is left out.
func (r *roster) best(m *member, avoid *session) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.pick(avoid)
}

// all returns every session, those of observers included.
func (r *roster) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*session
	for _, m := range r.members {
		all = append(all, m.live()...)
	}
	for s := range r.observers {
		all = append(all, s)
	}
	return all
}

// links counts what all returns. Each link that is accepted asks.
func (r *roster) links() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	links := len(r.observers)
	for _, m := range r.members {
		links += len(m.sessions)
	}
	return links
}
