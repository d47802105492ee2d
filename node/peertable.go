package node

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// peerTable remembers every peer that is configured or was ever discovered,
// linked or not, up to Limits.Roster, and runs the state machines of the links.
// Its mu is taken last: nothing is locked or called while it is held but the log.
type peerTable struct {
	max   int
	count *counters
	log   *slog.Logger

	mu     sync.Mutex
	byName map[string]*lifeRecord
	byHost map[string]*lifeRecord // of Config.Peers
	ident  uint64                 // of the latest life
	stride uint64                 // to the next ident; odd, so that none comes twice
}

// lifeRecord is what is remembered of one peer. Its fields are guarded by
// peerTable.mu.
type lifeRecord struct {
	name  string   // empty while only its address is known
	hosts []string // of Config.Peers, at which it answered last
	into  *lifeRecord

	lives []*life // those under way, and the latest that ended of each path
	seen  time.Time

	reason         Reason // the first since the last successful connect
	err            error
	lastConnect    time.Time
	lastDisconnect time.Time
	bye            *Bye // the latest that it said; not changed
	invited        bool
	notBefore      time.Time     // it asked not to be dialled earlier
	changed        chan struct{} // closed and renewed at every move
}

func newPeerTable(cfg *Config, c *counters) *peerTable {
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // never fails
	t := &peerTable{
		max: cfg.Limits.Roster, count: c, log: cfg.Logger,
		byName: map[string]*lifeRecord{}, byHost: map[string]*lifeRecord{},
		ident: binary.BigEndian.Uint64(seed[:8]), stride: binary.BigEndian.Uint64(seed[8:]) | 1,
	}
	for _, host := range cfg.Peers {
		t.byHost[host] = &lifeRecord{hosts: []string{host}, seen: time.Now(), changed: make(chan struct{})}
	}
	return t
}

// newIdent is the low 6 bytes of a walk that visits all of them once. Callers
// hold mu.
func (t *peerTable) newIdent() string {
	t.ident += t.stride
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], t.ident)
	return hex.EncodeToString(b[2:])
}

// meets makes sure that there is a record of a name.
func (t *peerTable) meets(name string) *lifeRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.named(name)
}

// named is the record of a name, made if need be; nil for no name, and when the
// table is full of peers that are needed. Callers hold mu.
func (t *peerTable) named(name string) *lifeRecord {
	if name == "" {
		return nil
	}
	r := t.byName[name]
	if r == nil {
		if len(t.byName) >= t.max && !t.makeRoom() {
			t.count.RosterFull.Add(1)
			return nil
		}
		r = &lifeRecord{name: name, changed: make(chan struct{})}
		t.byName[name] = r
	}
	r.seen = time.Now()
	return r
}

// makeRoom forgets the peer heard of longest ago that has no link and is not
// configured. Callers hold mu.
func (t *peerTable) makeRoom() bool {
	var oldest *lifeRecord
	for _, r := range t.byName {
		if len(r.hosts) == 0 && r.state() == StateClosed && (oldest == nil || r.seen.Before(oldest.seen)) {
			oldest = r
		}
	}
	if oldest == nil {
		return false
	}
	delete(t.byName, oldest.name)
	return true
}

// bind says whose link a life is. Callers hold mu.
func (t *peerTable) bind(l *life, r *lifeRecord) {
	if l.peer == r {
		return
	}
	if l.peer != nil {
		l.peer.lives = slices.DeleteFunc(l.peer.lives, func(o *life) bool { return o == l })
	}
	l.peer = r
	r.lives = slices.DeleteFunc(r.lives, func(o *life) bool { return o.key == l.key && o.state == StateClosed })
	r.lives = append(r.lives, l)
}

// introduced takes over who is at the other end of a life. host is the configured
// address that was dialled, if any.
func (t *peerTable) introduced(l *life, name, host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.named(name)
	if r == nil {
		return
	}
	if host != "" {
		t.answered(host, r)
	}
	t.bind(l, r)
}

// answered says that the peer at a configured address is r. Callers hold mu.
func (t *peerTable) answered(host string, r *lifeRecord) {
	before := t.byHost[host]
	if before == nil || before == r {
		return
	}
	if before.name == "" { // nobody had answered there so far: the two are one
		for _, l := range slices.Clone(before.lives) {
			t.bind(l, r)
		}
		before.into = r
		before.wake()
	}
	before.hosts = slices.DeleteFunc(before.hosts, func(h string) bool { return h == host })
	r.hosts = append(r.hosts, host)
	t.byHost[host] = r
}

// find returns the record of a name or of a configured address, or nil.
func (t *peerTable) find(name string) *lifeRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.byHost[name]; r != nil {
		return r
	}
	return t.byName[name]
}

// all returns every record, sorted by name; those without one come first.
func (t *peerTable) all() []*lifeRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[*lifeRecord]struct{}{}
	for _, r := range t.byName {
		all[r] = struct{}{}
	}
	for _, r := range t.byHost {
		all[r] = struct{}{}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b *lifeRecord) int {
		switch {
		case a.name < b.name, a.name == b.name && a.label() < b.label():
			return -1
		}
		return 1
	})
}

// heardBye takes over what a peer asked for in its BYE.
func (t *peerTable) heardBye(l *life, bye wire.Bye) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := l.peer
	if r == nil {
		return
	}
	r.bye = &Bye{Cause: ByeCause(bye.Code), ComeBackAfter: bye.ComeBackAfter, Text: bye.Text}
	if bye.ComeBackAfter > 0 {
		r.invited, r.notBefore = true, time.Now().Add(bye.ComeBackAfter)
	}
}

// now is the record that stands for r. Callers hold the table's mu.
func (r *lifeRecord) now() *lifeRecord {
	for r.into != nil {
		r = r.into
	}
	return r
}

// label names the peer for people.
func (r *lifeRecord) label() string {
	if r.name == "" && len(r.hosts) > 0 {
		return r.hosts[0]
	}
	return r.name
}

// state is that of the best link. Callers hold the table's mu.
func (r *lifeRecord) state() State {
	if l := r.best(); l != nil {
		return l.state
	}
	return StateClosed
}

// best is the life with the most of a link, of those the youngest. Callers hold
// the table's mu.
func (r *lifeRecord) best() (best *life) {
	for _, l := range r.lives {
		if best == nil || l.state.rank() >= best.state.rank() {
			best = l
		}
	}
	return best
}

// moved takes over what a move means for the peer. Callers hold the table's mu.
func (r *lifeRecord) moved(l *life, from State) {
	switch {
	case l.state == StateReady && !from.Ready():
		r.reason, r.err, r.lastConnect, r.seen = ReasonNone, nil, time.Now(), time.Now()
		r.invited, r.notBefore = false, time.Time{}
	case from.Ready() && !l.state.Ready() && !r.state().Ready():
		r.lastDisconnect, r.seen = time.Now(), time.Now()
		r.blame(l)
	case l.state == StateClosed && !r.state().Ready() && l.reason >= ReasonSocket: // an attempt that failed
		r.blame(l)
	}
	if l.state == StateClosed {
		r.shorten(l)
	}
	r.wake()
}

// maxEnded is how many paths without a link are remembered of one peer.
const maxEnded = 16

// shorten forgets a life that has ended if its path has another one, and else
// the oldest that ended when there are many paths. Callers hold the table's mu.
func (r *lifeRecord) shorten(l *life) {
	ended, others := 0, false
	for _, o := range r.lives {
		if o.state == StateClosed {
			ended++
		}
		others = others || o != l && o.key == l.key
	}
	switch {
	case others:
		r.lives = slices.DeleteFunc(r.lives, func(o *life) bool { return o == l })
	case ended > maxEnded:
		oldest := slices.IndexFunc(r.lives, func(o *life) bool { return o.state == StateClosed })
		r.lives = slices.Delete(r.lives, oldest, oldest+1)
	}
}

func (r *lifeRecord) blame(l *life) {
	if r.reason == ReasonNone {
		r.reason, r.err = l.reason, l.err
	}
}

func (r *lifeRecord) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// hostsOf returns the configured addresses of the peer of a life.
func (t *peerTable) hostsOf(l *life) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.peer == nil {
		return nil
	}
	return slices.Clone(l.peer.hosts)
}

// nameAt is the name of whoever answered last at a configured address.
func (t *peerTable) nameAt(host string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.byHost[host]; r != nil {
		return r.name
	}
	return ""
}
