package discovery

import (
	"bytes"
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// table holds the records, the observers and the static peers. It belongs to
// a Service and is guarded by its mutex.
type table struct {
	timers    Timers
	limits    Limits
	events    *events
	records   map[crypto.InstanceID]*record
	live      int // records that are live
	claims    claims
	dues      dues // of all records
	observers map[crypto.InstanceID]*observer
	swept     time.Time // when observers were last forgotten
	static    map[string]*Entry
}

func newTable(cfg Config, ev *events) *table {
	return &table{
		timers: cfg.Timers, limits: cfg.Limits, events: ev,
		records:   make(map[crypto.InstanceID]*record),
		claims:    make(claims),
		observers: make(map[crypto.InstanceID]*observer),
		static:    make(map[string]*Entry),
	}
}

// judge checks an advert against what is known about its sender: the counter
// and the identity. It changes nothing.
func (t *table) judge(a *advert, addrs []Addr) (Cause, bool) {
	if a.observer() {
		if o := t.observers[a.instance]; o != nil {
			return judgeCounter(a.counter, o.counter, false)
		}
		return 0, true
	}
	r := t.records[a.instance]
	if r == nil {
		return 0, true
	}
	if cause, ok := judgeCounter(a.counter, r.counter, r.lacks(addrs)); !ok {
		return cause, false
	}
	if a.hasKey != r.HasKey || a.nodeKey != r.NodeKey {
		return CauseIdentity, false
	}
	return 0, true
}

// judgeCounter compares a counter with the highest one seen. An equal one may
// still add something: another copy of the same round.
func judgeCounter(counter, seen uint64, adds bool) (Cause, bool) {
	switch {
	case counter < seen:
		return CauseCounter, false
	case counter == seen && !adds:
		return CauseDuplicate, false
	}
	return 0, true
}

// accept enters an advert that passed every check, judge included.
func (t *table) accept(a *advert, addrs []Addr, key heardKey, now time.Time) (Cause, bool) {
	if a.observer() {
		t.remember(a, now)
		return 0, true
	}
	r := t.records[a.instance]
	if r != nil && a.counter == r.counter {
		t.extend(r, a, addrs, now)
		return 0, true
	}
	if cause, ok := t.makeRoom(r, a, addrs, now); !ok {
		return cause, false
	}
	if r == nil {
		r = &record{Entry: Entry{Instance: a.instance, NodeKey: a.nodeKey, HasKey: a.hasKey}}
		t.records[a.instance] = r
	}
	r.counter, r.millis = a.counter, a.millis
	if a.kind == kindGoodbye {
		t.remove(r, ReasonGoodbye, now)
		return 0, true
	}
	t.refresh(r, a, addrs, key, now)
	return 0, true
}

// makeRoom sees to it that an advert with a new counter finds its place: the
// limits hold, and an instance heard for the first time replaces the one that
// it is the restart of. An instance that goes on speaking after it was
// replaced comes back beside the other: both run, and node settles it.
func (t *table) makeRoom(r *record, a *advert, addrs []Addr, now time.Time) (Cause, bool) {
	var old *record
	if r == nil && a.kind != kindGoodbye {
		old = t.claims.rival(a, addrs)
	}
	if old != nil && old.millis >= a.millis {
		return CauseIdentity, false
	}
	if old == nil && a.kind != kindGoodbye && (r == nil || !r.live) && t.live >= t.limits.Table {
		return CauseFull, false
	}
	if r == nil && len(t.records) >= t.limits.Remembered {
		return CauseFull, false
	}
	if old != nil {
		t.remove(old, ReasonReplaced, now)
	}
	return 0, true
}

// refresh brings a record up to date with an advert of a new round.
func (t *table) refresh(r *record, a *advert, addrs []Addr, key heardKey, now time.Time) {
	asked := a.kind == kindQuestion && (r.Asked || !r.live)
	changed := r.live && (r.Name != a.name || r.Features != a.features || !bytes.Equal(r.Status, a.status) || r.keyID != key.id || r.Asked != asked)
	wasLive := r.live
	if wasLive && r.Name != a.name {
		t.claims.leave(r)
		defer t.claims.enter(r)
	}
	r.Name, r.Features, r.Status, r.Asked = a.name, a.features, a.status, asked
	r.keyID, r.KeyIndex = key.id, key.index
	r.LastSeen, r.until = now, now.Add(t.timers.Expiry)
	if !wasLive {
		r.live, r.FirstSeen, r.addrs = true, now, nil
		t.live++
		t.claims.enter(r)
	}
	t.dues.schedule(r)
	moved := r.dropOtherPorts(a.port)
	added := r.prove(addrs, a.counter)
	switch {
	case !wasLive:
		t.events.changed(Added, r.snapshot(), "")
	case changed || moved || added:
		t.events.changed(Updated, r.snapshot(), "")
	}
}

// extend takes another copy of the latest round into account. It adds or
// refreshes addresses and nothing else: above all it prolongs no entry.
func (t *table) extend(r *record, a *advert, addrs []Addr, now time.Time) {
	if a.kind != kindGoodbye && r.prove(addrs, a.counter) {
		t.events.changed(Updated, r.snapshot(), "")
	}
}

// remove takes a record out of the table and keeps its counter.
func (t *table) remove(r *record, why Reason, now time.Time) {
	r.until = now.Add(t.timers.Remember)
	t.dues.schedule(r)
	if !r.live {
		return
	}
	e := r.snapshot()
	t.claims.leave(r)
	r.live, r.addrs = false, nil
	t.live--
	t.events.changed(Removed, e, why)
}

// mayAnswer tells whether an accepted question is due an answer, and if so
// notes that it gets one.
func (t *table) mayAnswer(a *advert, now time.Time) bool {
	if o := t.observers[a.instance]; o != nil {
		return o.answered.take(a.counter, now)
	}
	if r := t.records[a.instance]; r != nil {
		return r.answered.take(a.counter, now)
	}
	return false
}

// sweep expires what is due and returns when to come again.
func (t *table) sweep(now time.Time) time.Time {
	for r := t.dues.next(now); r != nil; r = t.dues.next(now) {
		switch {
		case r.until.After(now):
			t.dues.postpone(r, t.expireAddrs(r, now))
		case r.live:
			t.remove(r, ReasonExpired, now)
			t.dues.postpone(r, r.until)
		default:
			heap.Pop(&t.dues)
			delete(t.records, r.Instance)
		}
	}
	t.sweepObservers(now)
	next := now.Add(t.timers.Expiry)
	if len(t.dues) > 0 {
		next = earlier(next, t.dues[0].due)
	}
	return next
}

// sweepObservers forgets observers, at most once a second.
func (t *table) sweepObservers(now time.Time) {
	if now.Sub(t.swept) < time.Second {
		return
	}
	t.swept = now
	for id, o := range t.observers {
		if !o.until.After(now) {
			delete(t.observers, id)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// expireAddrs removes the addresses of a record that fell silent while others
// spoke, and returns when the next one may.
func (t *table) expireAddrs(r *record, now time.Time) time.Time {
	n, next := len(r.addrs), r.until
	r.addrs = slices.DeleteFunc(r.addrs, func(a address) bool {
		silent := a.Seen.Add(t.timers.Expiry)
		if silent.After(now) {
			next = earlier(next, silent)
		}
		return !silent.After(now)
	})
	if len(r.addrs) < n {
		t.events.changed(Updated, r.snapshot(), "")
	}
	return next
}

// rekey removes the live records that were heard under a key that is gone, and
// tells the others where their key stands now.
func (t *table) rekey(ring *keyring, now time.Time) {
	for _, r := range t.records {
		if i := ring.index(r.keyID); i >= 0 {
			r.KeyIndex = i
		} else if r.live {
			t.remove(r, ReasonKey, now)
		}
	}
}

// entries returns the table as its reader sees it.
func (t *table) entries() []Entry {
	all := make([]Entry, 0, t.live+len(t.static))
	for _, r := range t.records {
		if r.live {
			all = append(all, r.snapshot())
		}
	}
	for _, e := range t.static {
		all = append(all, copyEntry(*e))
	}
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Instance.Compare(b.Instance), strings.Compare(a.Host, b.Host))
	})
	return all
}

func copyEntry(e Entry) Entry {
	e.Addrs, e.Status = slices.Clone(e.Addrs), slices.Clone(e.Status)
	return e
}
