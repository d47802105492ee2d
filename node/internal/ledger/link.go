package ledger

import "time"

// Link is one secure link's side of the ledger: the interest it has in calls.
type Link struct {
	ledger  *Ledger
	account *account
	lost    bool
	first   *interest // of calls that run
}

// Receiver gets the outcome of a call that a link waits for. Deliver is called
// at most once, from the goroutine that finishes the call, without any lock.
type Receiver interface{ Deliver(*Entry, Outcome) }

// Canceler is told, at most once and without any lock, that no link is interested
// in its call any more.
type Canceler interface{ Cancel() }

// CancelFunc is a function as a Canceler.
type CancelFunc func()

// Cancel calls f.
func (f CancelFunc) Cancel() { f() }

// interest is one link's wish to see a running call finished.
type interest struct {
	link       *Link
	entry      *Entry
	receiver   Receiver // nil once the link is lost
	prev, next *interest
}

// Verdict is what became of a CALL.
type Verdict uint8

// The verdicts of Begin.
const (
	Run      Verdict = iota // new: it has begun, and the caller must run it and call Finish
	Attached                // a repeat of a call that runs: the receiver gets its outcome
	Kept                    // a repeat of a call that has ended: here is its outcome
	Gone                    // it has run and its outcome is gone: UNAVAILABLE, executed yes
	Doubtful                // it may have run: UNAVAILABLE, executed maybe
	Full                    // new, but the caller's or the node's memory is full: RESOURCE_EXHAUSTED, executed no
	Unknown                 // new, and not admitted: nothing was noted
	Running                 // a repeat of a call of BeginOnce that runs, or by it of one: nothing was noted
)

// Begin decides about a CALL in one step. Repeat is the message's own flag. A
// new call begins only when admit is set; then cancel is kept, and called at
// most once, when no link is interested any more. The receiver gets the
// outcome of a call that runs (Run, Attached). The entry is set for Run,
// Attached and Kept.
func (k *Link) Begin(id ID, repeat, admit bool, cancel Canceler, r Receiver) (Verdict, *Entry, Outcome) {
	return k.begin(id, repeat, admit, false, cancel, r)
}

// BeginOnce is Begin for a call that cannot be repeated, such as a stream. A
// repeat of it, and by it, attaches to nothing and gets no outcome: the verdict
// is Running or Gone. Its outcome is delivered but not kept. The entry is set
// for Run.
func (k *Link) BeginOnce(id ID, repeat, admit bool, cancel Canceler, r Receiver) (Verdict, *Entry) {
	v, e, _ := k.begin(id, repeat, admit, true, cancel, r)
	return v, e
}

func (k *Link) begin(id ID, repeat, admit, once bool, cancel Canceler, r Receiver) (Verdict, *Entry, Outcome) {
	l, a := k.ledger, k.account
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.lost {
		return Unknown, nil, Outcome{}
	}
	if e := a.entries[id]; e != nil {
		switch {
		case e.done && once:
			return Gone, nil, Outcome{}
		case e.done:
			return Kept, e, e.outcome
		case e.once || once:
			return Running, nil, Outcome{}
		}
		k.attach(e, &interest{}, r)
		return Attached, e, Outcome{}
	}
	switch a.standing(id, repeat) {
	case begun:
		return Gone, nil, Outcome{}
	case doubtful:
		return Doubtful, nil, Outcome{}
	}
	if !admit {
		return Unknown, nil, Outcome{}
	}
	if len(a.entries) >= l.limits.Outcomes || a.bytes >= l.limits.CallerBytes || l.bytes >= l.limits.TotalBytes {
		return Full, nil, Outcome{}
	}
	e := &Entry{ledger: l, account: a, id: id, cancel: cancel, once: once}
	a.entries[id] = e
	l.charge(e, overhead)
	l.running++
	l.enter(a, id)
	k.attach(e, &e.own, r)
	return Run, e, Outcome{}
}

// Knows tells whether the ledger knows an id, that is whether Begin would not
// give Run, Full or Unknown.
func (k *Link) Knows(id ID, repeat bool) bool {
	l := k.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	return k.account.entries[id] != nil || k.account.standing(id, repeat) != fresh
}

func (k *Link) attach(e *Entry, in *interest, r Receiver) {
	in.link, in.entry, in.receiver = k, e, r
	e.interested++
	in.next = k.first
	if in.next != nil {
		in.next.prev = in
	}
	k.first = in
	if in != &e.own {
		e.others = append(e.others, in)
	}
}

// detach takes an interest out of its link's list; the entry still counts it.
func (in *interest) detach() {
	k := in.link
	if in.prev != nil {
		in.prev.next = in.next
	} else {
		k.first = in.next
	}
	if in.next != nil {
		in.next.prev = in.prev
	}
	in.link, in.prev, in.next, in.receiver = nil, nil, nil, nil
}

// Withdraw ends this receiver's interest in a call (CANCEL). It gets no
// outcome any more, and with no interest left the call's context is cancelled.
// It tells whether the receiver was still waiting.
func (k *Link) Withdraw(e *Entry, r Receiver) bool {
	l := k.ledger
	l.mu.Lock()
	in := e.find(k, r)
	if in == nil {
		l.mu.Unlock()
		return false
	}
	cancel := e.withdraw(in)
	l.mu.Unlock()
	if cancel != nil {
		cancel.Cancel()
	}
	return true
}

// Lost ends the link: its receivers get nothing any more, and its interest
// lasts for the grace, so that a repeat over another link can take it over.
func (k *Link) Lost() {
	l := k.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.lost {
		return
	}
	k.lost = true
	k.account.links--
	for in := k.first; in != nil; in = in.next {
		in.receiver = nil
	}
	if k.first != nil && !l.closed {
		l.graces[k] = time.AfterFunc(l.limits.Grace, k.graceOver)
	}
	l.settle(k.account)
}

func (k *Link) graceOver() {
	l := k.ledger
	var cancels []Canceler
	l.mu.Lock()
	delete(l.graces, k)
	for k.first != nil {
		if cancel := k.first.entry.withdraw(k.first); cancel != nil {
			cancels = append(cancels, cancel)
		}
	}
	l.mu.Unlock()
	for _, cancel := range cancels {
		cancel.Cancel()
	}
}
