package meshtest

import (
	"container/heap"
	"time"
)

// agenda holds what is to happen later, ordered by time and then by the order
// of its planning: packets sent in one order with one delay arrive so. The
// world's lock guards it.
type agenda struct {
	run   func() // what the timer calls
	items events
	seq   uint64
	timer *time.Timer
	ended bool
}

type event struct {
	at  time.Time
	seq uint64
	do  func()
}

// add plans do for a time.
func (a *agenda) add(at time.Time, do func()) {
	if a.ended {
		return
	}
	a.seq++
	heap.Push(&a.items, event{at: at, seq: a.seq, do: do})
	a.arm()
}

// runUntil runs what is due and sets the timer for the rest.
func (a *agenda) runUntil(now time.Time) {
	for len(a.items) > 0 && !a.items[0].at.After(now) {
		heap.Pop(&a.items).(event).do()
	}
	a.arm()
}

// arm sets the timer to the earliest event.
func (a *agenda) arm() {
	if len(a.items) == 0 {
		return
	}
	d := time.Until(a.items[0].at)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.run)
		return
	}
	a.timer.Reset(d)
}

// stop forgets everything that was planned.
func (a *agenda) stop() {
	a.ended, a.items = true, nil
	if a.timer != nil {
		a.timer.Stop()
	}
}

// events is a heap of events, the earliest on top.
type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].seq < e[j].seq
	}
	return e[i].at.Before(e[j].at)
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
