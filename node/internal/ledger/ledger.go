package ledger

import (
	"container/list"
	"sync"
	"time"
)

// Ledger is a node's at-most-once memory. All methods of a Ledger, its Links
// and its Entries may be called from any goroutine. It owns no goroutine, only
// timers, which Close stops.
type Ledger struct {
	limits Limits

	mu       sync.Mutex
	accounts map[Caller]*account
	idle     *list.List // of *account, longest idle first
	bytes    int64      // charged to all accounts
	ranges   int        // spans of all accounts
	doubt    time.Time  // until then a repeat of an unknown caller may have begun

	kept    endings     // entries with an outcome, in the order of their end
	expiry  *time.Timer // set while kept is not empty
	graces  map[*Link]*time.Timer
	closed  bool
	running int
	dropped uint64
}

// New makes a Ledger.
func New(limits Limits) *Ledger {
	return &Ledger{
		limits:   limits.withDefaults(),
		accounts: make(map[Caller]*account),
		idle:     list.New(),
		graces:   make(map[*Link]*time.Timer),
	}
}

// Attach enters a secure link of a caller. The caller of Attach ends it with
// [Link.Lost].
func (l *Ledger) Attach(c Caller) *Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[c]
	if a == nil {
		a = newAccount(c, time.Now().Before(l.doubt))
		l.accounts[c] = a
	}
	if a.idle != nil {
		l.idle.Remove(a.idle)
		a.idle = nil
	}
	a.links++
	return &Link{ledger: l, account: a}
}

// Stats is what a Ledger holds.
type Stats struct {
	Callers  int    // callers remembered
	Ranges   int    // ranges of begun counters
	Running  int    // calls that run
	Outcomes int    // outcomes kept
	Bytes    int64  // charged for both
	Dropped  uint64 // outcomes not kept for lack of room
}

// Stats counts what is held now.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Callers: len(l.accounts), Ranges: l.ranges, Running: l.running,
		Outcomes: l.kept.len, Bytes: l.bytes, Dropped: l.dropped,
	}
}

// Close stops the ledger's timers. Interest of links lost before no longer
// runs out, and outcomes stay; the ledger is otherwise usable.
func (l *Ledger) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.expiry != nil {
		l.expiry.Stop()
	}
	for k, t := range l.graces {
		t.Stop()
		delete(l.graces, k)
	}
}

// settle puts an account that has become idle into the order of forgetting,
// and forgets the longest idle ones beyond the limits.
func (l *Ledger) settle(a *account) {
	if a.links > 0 || len(a.entries) > 0 || a.idle != nil {
		return
	}
	a.idleSince = time.Now()
	a.idle = l.idle.PushBack(a)
	for l.idle.Len() > l.limits.Callers {
		l.forgetOne()
	}
}

// forgetOne drops the longest idle account; false when none is idle.
func (l *Ledger) forgetOne() bool {
	el := l.idle.Front()
	if el == nil {
		return false
	}
	a := l.idle.Remove(el).(*account)
	delete(l.accounts, a.caller)
	l.ranges -= a.ranges
	if until := a.idleSince.Add(doubtFor); a.ranges > 0 && until.After(l.doubt) {
		l.doubt = until
	}
	return true
}

// enter notes that id of a has begun, within the limits of ranges.
func (l *Ledger) enter(a *account, id ID) {
	l.ranges += a.enter(id)
	for a.ranges > l.limits.Ranges {
		a.shrink()
		l.ranges--
	}
	for l.ranges > l.limits.TotalRanges {
		if !l.forgetOne() {
			if a.ranges <= 1 {
				return
			}
			a.shrink()
			l.ranges--
		}
	}
}
