package discovery

import (
	"math/rand/v2" // jitter only
	"time"
)

// backoff is the wait between attempts at something that fails: it doubles
// from least to most and is cut by up to half at random, so that those who
// failed together do not come back together.
type backoff struct {
	least, most time.Duration
	next        time.Duration
}

func (t Timers) backoff() backoff { return backoff{least: t.RetryMin, most: t.RetryMax} }

// wait returns how long to wait after one more failure.
func (b *backoff) wait() time.Duration {
	d := min(max(b.next, b.least), b.most)
	b.next = 2 * d
	return d - rand.N(d/2+1)
}

// reset is called after a success.
func (b *backoff) reset() { b.next = 0 }

// jittered spreads a period by a fifth either way.
func jittered(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}
