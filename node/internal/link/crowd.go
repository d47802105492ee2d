package link

import (
	"runtime"
	"sync/atomic"
	"time"
)

// FlushCrowd is Flush for one of many goroutines that post at about the same
// time: the first lets the others run once before it sends what all have posted.
func (l *Link) FlushCrowd() {
	if !l.box.lead() {
		return
	}
	if began := time.Since(l.opened); l.patience.left(began) {
		runtime.Gosched()
		l.patience.spent(began, time.Since(l.opened))
	}
	l.box.lay() // whoever posts from now on sees to it, whatever Flush does
	l.Flush()
}

const (
	// longYield is how long a crowd takes at most to post. When it took longer
	// longYields times in a row, it computes rather than posts, and for yieldRest
	// nobody waits for it. Once is no proof: the system may have run another process.
	longYield  = 2 * time.Millisecond
	longYields = 3
	yieldRest  = time.Second
)

// patience tells whether to let others run first. Times are durations since any
// fixed one. All methods are safe for concurrent use.
type patience struct {
	long atomic.Int32 // how many times in a row it took long
	rest atomic.Int64 // until when not to wait
}

func (p *patience) left(now time.Duration) bool { return now >= time.Duration(p.rest.Load()) }

// spent takes note of how long it took.
func (p *patience) spent(began, ended time.Duration) {
	switch {
	case ended-began <= longYield:
		if p.long.Load() != 0 {
			p.long.Store(0)
		}
	case p.long.Add(1) >= longYields:
		p.rest.Store(int64(ended + yieldRest))
	}
}
