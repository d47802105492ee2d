package ledger

import (
	"slices"
	"time"
)

// Outcome is how a call ended. Body is opaque to the ledger and must not be
// changed any more.
type Outcome struct {
	Failed bool   // Body is an error, not a value
	Code   uint8  // of the error; opaque too
	Body   []byte // msgpack
}

// Entry is one call that has begun: it runs, or its outcome is kept.
type Entry struct {
	ledger  *Ledger
	account *account
	id      ID
	charged int64
	once    bool // the outcome is not kept

	// While it runs.
	cancel     Canceler
	own        interest    // of the link that began it
	others     []*interest // of links that repeated it
	interested int         // of them all, those that still count

	// After its end.
	done       bool
	outcome    Outcome
	ended      time.Time
	prev, next *Entry // in Ledger.kept
}

func (e *Entry) find(k *Link, r Receiver) *interest {
	if e.own.link == k && e.own.receiver == r {
		return &e.own
	}
	for _, in := range e.others {
		if in.link == k && in.receiver == r {
			return in
		}
	}
	return nil
}

// withdraw ends an interest and returns who is to be told, if it was the last.
func (e *Entry) withdraw(in *interest) Canceler {
	in.detach()
	if in != &e.own {
		e.others = slices.DeleteFunc(e.others, func(o *interest) bool { return o == in })
	}
	e.interested--
	if e.interested > 0 {
		return nil
	}
	cancel := e.cancel
	e.cancel = nil
	return cancel
}

// Finish ends a running call: it keeps the outcome, unless the call was begun by
// BeginOnce, and delivers it to each receiver that waits. It must be called exactly once after Run. The outcome
// counts as held when the receiver of Begin has returned from Deliver: until
// then it is bounded like a call that runs, and a large answer that is on its
// way does not refuse the calls beside it.
func (e *Entry) Finish(o Outcome) {
	var own Receiver
	var others []Receiver // of repeats; rare
	l := e.ledger
	l.mu.Lock()
	if e.done {
		l.mu.Unlock()
		return
	}
	if e.own.link != nil {
		own = e.own.receiver
		e.own.detach()
	}
	for _, in := range e.others {
		if in.receiver != nil {
			others = append(others, in.receiver)
		}
		in.detach()
	}
	e.others, e.cancel, e.done, e.outcome = nil, nil, true, o
	l.running--
	if e.once {
		l.drop(e)
	} else {
		l.keep(e)
	}
	l.mu.Unlock()
	defer l.hold(e)
	for _, r := range others {
		r.Deliver(e, o)
	}
	if own != nil {
		own.Deliver(e, o)
	}
}

// Acknowledge drops the outcome of each call: the caller has it. Calls that run
// or are already dropped are left alone.
func (l *Ledger) Acknowledge(entries []*Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.release(e)
	}
}
