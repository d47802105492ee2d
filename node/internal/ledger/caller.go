package ledger

import (
	"container/list"
	"time"
)

// Caller is whose calls are remembered together: a node key, or an instance id
// where the caller has shown no key. It is comparable.
type Caller struct {
	key bool
	id  [32]byte
}

// ByKey is a caller with a verified node key.
func ByKey(key [32]byte) Caller { return Caller{key: true, id: key} }

// ByInstance is a caller known by its instance id only.
func ByInstance(instance [16]byte) Caller {
	var c Caller
	copy(c.id[:], instance[:])
	return c
}

// ID is a call id: fixed for the logical call, over every path and retry.
type ID struct {
	Caller  [8]byte // random, per instance of the caller
	Counter uint64  // per callee, rising
}

// account is what the ledger holds of one caller. The ledger's lock guards it.
type account struct {
	caller Caller
	links  int // attached links

	entries map[ID]*Entry // running calls and kept outcomes
	bytes   int64         // what they are charged

	histories map[[8]byte]*list.Element // of *history
	recent    *list.List                // the same, least recently used first
	ranges    int                       // spans in all of them
	forgot    bool                      // a history was dropped: an unknown prefix may have begun calls

	idle      *list.Element // in Ledger.idle while it has neither links nor entries
	idleSince time.Time
}

func newAccount(c Caller, forgot bool) *account {
	return &account{
		caller:    c,
		entries:   make(map[ID]*Entry),
		histories: make(map[[8]byte]*list.Element),
		recent:    list.New(),
		forgot:    forgot,
	}
}

// standing tells what is known about an id that has no entry.
func (a *account) standing(id ID, repeat bool) standing {
	if el := a.histories[id.Caller]; el != nil {
		return el.Value.(*history).standing(id.Counter)
	}
	if repeat && a.forgot {
		return doubtful
	}
	return fresh
}

// enter notes that id has begun and returns by how many the account's ranges grew.
func (a *account) enter(id ID) int {
	el := a.histories[id.Caller]
	if el == nil {
		el = a.recent.PushBack(&history{prefix: id.Caller})
		a.histories[id.Caller] = el
	} else {
		a.recent.MoveToBack(el)
	}
	h := el.Value.(*history)
	before := len(h.spans)
	h.add(id.Counter)
	grown := len(h.spans) - before
	a.ranges += grown
	return grown
}

// shrink gives up one range: the lowest gap of the least recently used
// instance, or that whole instance when it has no gap.
func (a *account) shrink() {
	el := a.recent.Front()
	h := el.Value.(*history)
	if len(h.spans) > 1 {
		h.closeLowestGap()
	} else {
		a.recent.Remove(el)
		delete(a.histories, h.prefix)
		a.forgot = true
	}
	a.ranges--
}
