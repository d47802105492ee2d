package discovery

import "time"

// rounds knows when the next round is due and what it says: a burst after a
// start or a change, then one every interval. It keeps times only and is not
// safe for concurrent use.
type rounds struct {
	interval time.Duration
	silent   bool // an observer: no steady rounds

	began    time.Time // of the burst
	step     int       // rounds of the burst that were sent
	kind     kind      // what the burst says
	steady   time.Time // the next round after the burst; zero if none
	news     time.Time // an announcement in the middle of a burst that asks; zero if none
	told     bool      // there was one, to be repeated after the burst
	question time.Time // a question that Ask wants; zero if none
	lastAsk  time.Time
}

// begin starts a burst. One that asks is not cut short by one that does not:
// that is said at once in between, and again after the last round.
func (r *rounds) begin(k kind, now time.Time) {
	if r.silent {
		k = kindQuestion
	}
	if r.bursting() && r.kind == kindQuestion && k == kindHere {
		r.news, r.told = now, true
		return
	}
	r.began, r.step, r.kind, r.steady = now, 0, k, time.Time{}
	r.news, r.told = time.Time{}, false
}

func (r *rounds) bursting() bool { return !r.began.IsZero() && r.step < len(burst) }

// askSoon makes a question due, at least askEvery after the last one.
func (r *rounds) askSoon(now time.Time) {
	r.question = now
	if soonest := r.lastAsk.Add(askEvery); soonest.After(now) {
		r.question = soonest
	}
}

// burstDue returns when the burst's next round is due, zero after the last.
func (r *rounds) burstDue() time.Time {
	if !r.bursting() {
		return time.Time{}
	}
	return r.began.Add(burst[r.step])
}

// next returns when the next round is due, zero if none is planned.
func (r *rounds) next() time.Time {
	var next time.Time
	for _, t := range [...]time.Time{r.news, r.burstDue(), r.steady, r.question} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// due tells whether a round is due, and counts it as sent.
func (r *rounds) due(now time.Time) (kind, bool) {
	next := r.next()
	if next.IsZero() || next.After(now) {
		return 0, false
	}
	if !r.news.IsZero() && !r.news.After(now) {
		r.news = time.Time{}
		return kindHere, true
	}
	k := kindHere
	if t := r.burstDue(); !t.IsZero() && !t.After(now) {
		k = r.kind
		r.step++
		if r.told && !r.bursting() {
			r.news, r.told = now, false
		}
	}
	if !r.question.IsZero() && !r.question.After(now) {
		k = kindQuestion
	}
	if k == kindQuestion {
		r.lastAsk, r.question = now, time.Time{}
	}
	if !r.bursting() && !r.silent {
		r.steady = now.Add(jittered(r.interval))
	}
	return k, true
}
