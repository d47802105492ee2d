package discovery

import (
	"net/netip"
	"time"
)

// bucket is a token bucket in one number: the time at which it is full again
// (the generic cell rate algorithm). The zero bucket is full.
type bucket struct{ full time.Time }

// take takes one token from a bucket that holds burst tokens and gains one
// per period.
func (b *bucket) take(now time.Time, period time.Duration, burst int) bool {
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(period)
	if full.Sub(now) > time.Duration(burst)*period {
		return false
	}
	b.full = full
	return true
}

// limiter bounds how many datagrams are worth a look at their contents. It
// stands before all cryptography. Not safe for concurrent use.
//
// Sources that were silent for a while draw on a reserve of their own, a
// quarter of the total, so that a newcomer gets through while others flood.
type limiter struct {
	perSource, total, most int

	sources       map[netip.Addr]*bucket
	swept         time.Time
	busy, reserve bucket
}

func newLimiter(l Limits) *limiter {
	return &limiter{
		perSource: l.PerSource, total: l.Total, most: l.Sources,
		sources: make(map[netip.Addr]*bucket),
	}
}

// allow judges a datagram from a source. Loopback is not limited.
func (l *limiter) allow(from netip.Addr, now time.Time) (Cause, bool) {
	if from.IsLoopback() {
		return 0, true
	}
	source, idle := l.source(from, now)
	if source != nil && !source.take(now, time.Second/time.Duration(l.perSource), l.perSource) {
		return CauseSourceRate, false
	}
	if idle && l.take(&l.reserve, now, l.total/4) {
		return 0, true
	}
	if !l.take(&l.busy, now, l.total-l.total/4) {
		return CauseTotalRate, false
	}
	return 0, true
}

// take takes from one part of the total, with a burst of a tenth of a second.
func (l *limiter) take(b *bucket, now time.Time, perSecond int) bool {
	perSecond = max(perSecond, 1)
	return b.take(now, time.Second/time.Duration(perSecond), max(perSecond/10, 1))
}

// source returns the bucket of a source, nil if there is no room for another,
// and whether the source was silent of late.
func (l *limiter) source(from netip.Addr, now time.Time) (b *bucket, idle bool) {
	if b = l.sources[from]; b != nil {
		return b, !b.full.After(now)
	}
	if len(l.sources) >= l.most {
		l.sweep(now)
	}
	if len(l.sources) >= l.most {
		return nil, false
	}
	b = new(bucket)
	l.sources[from] = b
	return b, true
}

// sweep forgets the sources that were silent, at most once a second.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for from, b := range l.sources {
		if !b.full.After(now) {
			delete(l.sources, from)
		}
	}
}
