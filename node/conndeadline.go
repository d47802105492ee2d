package node

import (
	"sync"
	"time"
)

// direction is one direction of a [Conn]: whose turn it is, and when waiting
// ends, by a deadline that may move or for good.
type direction struct {
	turn chan struct{} // holds one token while nobody reads or writes

	mu    sync.Mutex
	stop  chan struct{} // closed: nobody waits
	fired bool          // stop is closed
	shut  bool          // for good
	timer *time.Timer
	era   int // of the deadline that timer stands for
}

func newDirection() *direction {
	d := &direction{turn: make(chan struct{}, 1), stop: make(chan struct{})}
	d.turn <- struct{}{}
	return d
}

// enter waits for the turn. It returns the channel that ends the waiting of
// whoever has it, who must call leave; false means that waiting is over.
func (d *direction) enter() (stop <-chan struct{}, ok bool) {
	d.mu.Lock()
	stop = d.stop
	over := d.fired
	d.mu.Unlock()
	if over {
		return nil, false
	}
	select {
	case <-d.turn:
		return stop, true
	case <-stop:
		return nil, false
	}
}

func (d *direction) leave() { d.turn <- struct{}{} }

// end stops every wait, now and later, and returns when nobody reads or writes
// any more. False means that it was ended before.
func (d *direction) end() bool {
	d.mu.Lock()
	first := !d.shut
	d.shut = true
	d.era++
	if d.timer != nil {
		d.timer.Stop()
	}
	d.fire()
	d.mu.Unlock()
	<-d.turn
	d.leave()
	return first
}

// ended tells whether end was called.
func (d *direction) ended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}

// fire ends the waiting. The caller holds mu.
func (d *direction) fire() {
	if !d.fired {
		d.fired = true
		close(d.stop)
	}
}

// limit sets the deadline, also for who waits already; the zero time is none.
func (d *direction) limit(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return
	}
	d.era++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(t)
	if !t.IsZero() && left <= 0 {
		d.fire()
		return
	}
	if d.fired {
		d.fired, d.stop = false, make(chan struct{})
	}
	if !t.IsZero() {
		era := d.era
		d.timer = time.AfterFunc(left, func() { d.expire(era) })
	}
}

// expire is the end of a deadline, unless another has taken its place.
func (d *direction) expire(era int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.era == era {
		d.fire()
	}
}
