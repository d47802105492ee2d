package node

import (
	"sync"
	"time"
)

// Period is what happened in the time up to now.
type Period struct {
	// Over is how long the period is: what was asked for and up to five seconds
	// more, or the age of a node that is younger.
	Over time.Duration
	// Requests counts calls received from other nodes, repeats and refused ones
	// included.
	Requests uint64
	// Results counts the answers sent to them.
	Results Results
}

// Periods are the last minute, five minutes and fifteen minutes.
type Periods struct {
	Minute, FiveMinutes, QuarterHour Period
}

// Minute is a snapshot that a node takes of itself each minute.
type Minute struct {
	// Time is when the minute ended.
	Time time.Time
	// Over is how long it was: a minute, or longer if the machine slept or had no
	// time for the node.
	Over time.Duration
	// Requests counts calls received from other nodes in it, Results the answers
	// sent to them.
	Requests uint64
	Results  Results
	// Calls counts calls made from here in it, CallsFailed those that ended with
	// an error.
	Calls, CallsFailed uint64
	// Links is how many links were open, and Running how many calls of other nodes
	// ran, at its end.
	Links, Running int
}

// Periods tells how many calls came from other nodes, and how they were
// answered, over the last 1, 5 and 15 minutes.
func (n *Node) Periods() Periods {
	now := n.totals()
	return Periods{
		Minute:      n.history.since(now, time.Minute),
		FiveMinutes: n.history.since(now, 5*time.Minute),
		QuarterHour: n.history.since(now, quarterHour),
	}
}

// History returns the snapshots of the last 24 hours, one for each minute since
// the start, oldest first. They are kept in memory only.
func (n *Node) History() []Minute { return n.history.last(keptMinutes) }

// totals are counters that only grow, at a moment.
type totals struct {
	at                 time.Duration // since the node was made
	requests           uint64
	results            Results
	calls, callsFailed uint64
}

func (n *Node) totals() totals {
	s := n.server.Stats()
	failed := n.count.CallsFailed.Load() // before calls, so that it is never more
	return totals{
		at: time.Since(n.made), requests: s.Requests, results: resultsOf(s),
		calls: n.count.Calls.Load(), callsFailed: failed,
	}
}

const (
	keptSamples = int(quarterHour/maintainEvery) + 2 // the oldest is always old enough
	keptMinutes = 24 * 60
	quarterHour = 15 * time.Minute
)

// history remembers totals for as long as periods reach back, and a snapshot of
// each minute. Both have a fixed size, about 150 KiB after a day.
type history struct {
	mu      sync.Mutex
	samples [keptSamples]totals // ring
	sampled int                 // ever
	minutes []Minute            // ring once it is full
	oldest  int                 // of minutes
	minute  totals              // when the present minute began
}

// tick remembers the totals, and adds a snapshot when a minute is over.
// maintain calls it.
func (n *Node) tick() {
	now := n.totals()
	h := n.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples[h.sampled%keptSamples] = now
	h.sampled++
	over := now.at - h.minute.at
	if over < time.Minute {
		return
	}
	h.add(Minute{
		Time: time.Now(), Over: over,
		Requests: now.requests - h.minute.requests, Results: now.results.minus(h.minute.results),
		Calls: now.calls - h.minute.calls, CallsFailed: now.callsFailed - h.minute.callsFailed,
		Links: n.peerBook.links(), Running: n.server.Stats().Running,
	})
	h.minute = now
}

// add keeps a snapshot in place of the oldest, if there are enough. The caller
// holds mu.
func (h *history) add(m Minute) {
	if len(h.minutes) < keptMinutes {
		h.minutes = append(h.minutes, m)
		return
	}
	h.minutes[h.oldest] = m
	h.oldest = (h.oldest + 1) % keptMinutes
}

// last returns the latest snapshots, at most so many, oldest first.
func (h *history) last(most int) []Minute {
	h.mu.Lock()
	defer h.mu.Unlock()
	most = max(0, min(most, len(h.minutes)))
	last := make([]Minute, 0, most)
	for i := len(h.minutes) - most; i < len(h.minutes); i++ {
		last = append(last, h.minutes[(h.oldest+i)%len(h.minutes)])
	}
	return last
}

// since compares totals with the latest that are at least so old, or the oldest
// there are; those of a new node are zero.
func (h *history) since(now totals, over time.Duration) Period {
	h.mu.Lock()
	defer h.mu.Unlock()
	var then totals
	for i := h.sampled - 1; i >= max(0, h.sampled-keptSamples); i-- {
		s := h.samples[i%keptSamples]
		if now.at-s.at >= over || i > 0 && i == h.sampled-keptSamples {
			then = s
			break
		}
	}
	return Period{Over: now.at - then.at, Requests: now.requests - then.requests, Results: now.results.minus(then.results)}
}
