package ledger

import "time"

// endings is the list of kept outcomes in the order of their end, which is the
// order in which they expire, since all are kept equally long.
type endings struct {
	first, last *Entry
	len         int
}

func (s *endings) push(e *Entry) {
	e.prev = s.last
	if s.last != nil {
		s.last.next = e
	} else {
		s.first = e
	}
	s.last = e
	s.len++
}

func (s *endings) holds(e *Entry) bool { return e.prev != nil || s.first == e }

func (s *endings) remove(e *Entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.last = e.prev
	}
	e.prev, e.next = nil, nil
	s.len--
}

// charge books bytes to an entry's account.
func (l *Ledger) charge(e *Entry, bytes int64) {
	e.charged += bytes
	e.account.bytes += bytes
	l.bytes += bytes
}

// keep puts an entry that has just ended into the order of expiry.
func (l *Ledger) keep(e *Entry) {
	e.ended = time.Now()
	l.kept.push(e)
	if l.expiry == nil && !l.closed {
		l.expiry = time.AfterFunc(l.limits.Keep, l.expire)
	}
}

// hold charges an outcome that was delivered. It may pass a limit,
// after which new calls are refused; but of the calls that run still, no second
// one adds to that. Its outcome is not kept, and a repeat of it is refused as
// executed.
func (l *Ledger) hold(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.kept.holds(e) {
		return // acknowledged already
	}
	if e.account.bytes >= l.limits.CallerBytes || l.bytes >= l.limits.TotalBytes {
		l.dropped++
		l.release(e)
		return
	}
	l.charge(e, int64(len(e.outcome.Body)))
}

// drop forgets an entry; its id stays among the begun ones.
func (l *Ledger) drop(e *Entry) {
	l.charge(e, -e.charged)
	delete(e.account.entries, e.id)
	e.outcome = Outcome{}
	l.settle(e.account)
}

// release drops an entry's kept outcome, if it is still kept.
func (l *Ledger) release(e *Entry) {
	if l.kept.holds(e) {
		l.kept.remove(e)
		l.drop(e)
	}
}

// expire drops the outcomes whose time is over and waits for the next one.
func (l *Ledger) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expiry = nil
	if l.closed {
		return
	}
	now := time.Now()
	for e := l.kept.first; e != nil; e = l.kept.first {
		if left := l.limits.Keep - now.Sub(e.ended); left > 0 {
			l.expiry = time.AfterFunc(left, l.expire)
			return
		}
		l.release(e)
	}
}
