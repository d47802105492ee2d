package node

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// member is one other live instance of the network: what discovery says of it
// and the links to it. Its fields are guarded by roster.mu.
type member struct {
	instance crypto.InstanceID
	name     string
	key      crypto.NodeKey
	hasKey   bool
	addrs    []discovery.Addr
	keyIndex int
	// advertised: discovery holds an entry.
	advertised bool
	lastSeen   time.Time
	// asking: discovery heard nothing but its question so far.
	asking bool
	// doubted: until then the member counts as a claimant of its name only
	// if nobody else does, because it did not answer to it.
	doubted  time.Time
	goodbye  bool      // it said that it goes
	path     pathKey   // that calls take
	why      string    // it was chosen
	switched time.Time // when calls last went from one path to another
	paths    map[pathKey]*pathRecord
	lanTried time.Time         // when preferLAN last tried
	seats    map[seat]struct{} // where relays see it
	sessions map[pathKey]*session
	dialing  *dial
	besides  *dial // an attempt for a second path

	says     link.Capabilities // of its latest HELLO
	features uint64            // on over its latest link
	born     time.Time         // when the instance was made, by that HELLO

	status wire.Status  // what it offers, as it last said
	byLink bool         // a link that still holds told it
	busy   atomic.Int64 // calls of this node under way there
	turn   uint64       // when it was last picked, as a number that rises
	listed []string     // the services of whose takers it is one
}

// pathKey names a path to a member: there is one link per member and path.
type pathKey struct {
	transport crypto.Transport
	via       string // the relay of a relayed path
}

// roster is everyone the node knows, by instance and by name.
type roster struct {
	self   crypto.InstanceID
	max    int
	count  *counters
	events *events
	peers  *peerTable

	mu        sync.Mutex
	members   map[crypto.InstanceID]*member
	byName    map[string][]*member
	takers    map[string]*takers // by service
	observers map[*session]struct{}
	keys      map[string]crypto.NodeKey // first-seen identity by name
	picks     uint64                    // how often a member was picked
	changed   chan struct{}             // closed and renewed at every change
}

func newRoster(self crypto.InstanceID, max int, c *counters, e *events) *roster {
	return &roster{
		self: self, max: max, count: c, events: e,
		members:   map[crypto.InstanceID]*member{},
		byName:    map[string][]*member{},
		takers:    map[string]*takers{},
		observers: map[*session]struct{}{},
		keys:      map[string]crypto.NodeKey{},
		changed:   make(chan struct{}),
	}
}

// wake tells everyone who waits for a change. Callers hold mu.
func (r *roster) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// ensure returns the member of an instance, made if need be; nil when the
// roster is full. Callers hold mu.
func (r *roster) ensure(id crypto.InstanceID, name string, key crypto.NodeKey, how string) *member {
	m := r.members[id]
	if m == nil {
		if len(r.members) >= r.max {
			r.count.RosterFull.Add(1)
			return nil
		}
		m = &member{instance: id, seats: map[seat]struct{}{}, sessions: map[pathKey]*session{}, paths: map[pathKey]*pathRecord{}}
		r.members[id] = m
		r.enroll(m, name)
		r.events.emit(Event{Kind: Joined, Node: name, Key: key, Reason: how})
	} else if m.name != name {
		r.strike(m)
		r.enroll(m, name)
	}
	return m
}

func (r *roster) enroll(m *member, name string) {
	m.name = name
	r.byName[name] = append(r.byName[name], m)
	r.peers.meets(name)
}

func (r *roster) strike(m *member) {
	rest := slices.DeleteFunc(r.byName[m.name], func(o *member) bool { return o == m })
	if len(rest) == 0 {
		delete(r.byName, m.name)
		return
	}
	r.byName[m.name] = rest
}

// identify records the identity that a member proved or advertised. Callers
// hold mu.
func (r *roster) identify(m *member, key crypto.NodeKey) {
	m.key, m.hasKey = key, true
	if first, known := r.keys[m.name]; known && first != key {
		r.events.emit(Event{Kind: KeyChanged, Node: m.name, Key: key, Reason: "the name had another identity before", Detail: key.String()})
	}
	if _, known := r.keys[m.name]; known || len(r.keys) < r.max {
		r.keys[m.name] = key
	}
}

// forget removes a member. Callers hold mu.
func (r *roster) forget(m *member, why string) {
	if r.members[m.instance] != m {
		return
	}
	delete(r.members, m.instance)
	r.strike(m)
	r.list(m, nil)
	kind := Lost
	if m.goodbye {
		kind = Left
	}
	r.events.emit(Event{Kind: kind, Node: m.name, Key: shownKey(m.key, m.hasKey), Reason: why})
	r.wake()
}

// seen takes over what discovery learned of an instance. It returns the member
// if it may have come in place of one that is still linked.
func (r *roster) seen(e discovery.Entry) (heir *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Instance == r.self {
		return nil
	}
	m := r.ensure(e.Instance, e.Name, shownKey(e.NodeKey, e.HasKey), "heard on the LAN")
	if m == nil {
		return nil
	}
	m.addrs, m.keyIndex, m.advertised, m.lastSeen = e.Addrs, e.KeyIndex, true, e.LastSeen
	m.asking, m.doubted, m.goodbye = e.Asked, time.Time{}, false
	m.advertisedStatus(e.Status)
	r.offered(m)
	if e.HasKey && !m.hasKey {
		r.identify(m, e.NodeKey)
		heir = r.inherit(m)
	}
	r.wake()
	return heir
}

// gone takes over that discovery lost an instance. A member that a relay shows
// stays, and one that still has links until the last of them ends, unless it
// said goodbye.
func (r *roster) gone(id crypto.InstanceID, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		return
	}
	m.advertised, m.addrs = false, nil
	m.goodbye = m.goodbye || why == string(discovery.ReasonGoodbye)
	if !m.here() || why == string(discovery.ReasonGoodbye) && len(m.seats) == 0 {
		r.forget(m, why)
	}
}

// doubtFor is how long a claimant that did not answer is passed over.
const doubtFor = 30 * time.Second

// doubt passes over a claimant that did not answer to its name, until there is
// news of it.
func (r *roster) doubt(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.doubted = time.Now().Add(doubtFor)
	r.wake()
}

// claimants returns the members that go by a name and the channel that is
// closed at the next change of the roster. A member that only asks who is there
// is still starting, and may not get the name; it counts if nobody else does,
// and one in doubt only if there is no other at all.
func (r *roster) claimants(name string) ([]*member, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	all := r.byName[name]
	for _, passed := range []func(*member) bool{
		func(m *member) bool { return m.asking || now.Before(m.doubted) },
		func(m *member) bool { return now.Before(m.doubted) },
	} {
		if found := slices.DeleteFunc(slices.Clone(all), passed); len(found) > 0 {
			return found, r.changed
		}
	}
	return slices.Clone(all), r.changed
}

// linked returns the only claimant of a name that counts, nil unless there is
// one, and its session for a new call, if there is one.
func (r *roster) linked(name string) (only *member, s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.byName[name] {
		if m.asking || !m.doubted.IsZero() && time.Now().Before(m.doubted) {
			continue
		}
		if only != nil {
			return nil, nil
		}
		only = m
	}
	if only == nil {
		return nil, nil
	}
	return only, only.pick(nil)
}

// rivals returns the members that go by a name, those that start included and
// those in doubt left out.
func (r *roster) rivals(name string) ([]*member, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(r.byName[name]), func(m *member) bool { return now.Before(m.doubted) }), r.changed
}

// names returns the sorted names of all members.
func (r *roster) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.byName))
	for name := range r.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find returns the live member with that instance id, or nil.
func (r *roster) find(id crypto.InstanceID) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[id]
}

// live returns the member's sessions. Callers hold roster.mu.
func (m *member) live() []*session {
	all := make([]*session, 0, len(m.sessions))
	for _, s := range m.sessions {
		all = append(all, s)
	}
	return all
}
