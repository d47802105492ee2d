package discovery

import (
	"container/heap"
	"time"
)

// dues orders records by when each has to be looked at again, so that a sweep
// of a large table costs what is due and no more. A record's due may be too
// early, never too late: adverts move its end on all the time, and only the
// sweep looks at what that means.
type dues []*record

// schedule sees to it that a record is looked at when its time is over. Whoever
// changes until calls it.
func (d *dues) schedule(r *record) {
	switch {
	case r.due.IsZero():
		r.due = r.until
		heap.Push(d, r)
	case r.until.Before(r.due):
		d.postpone(r, r.until)
	}
}

// postpone changes when a record is looked at next.
func (d *dues) postpone(r *record, due time.Time) {
	r.due = due
	heap.Fix(d, r.place)
}

// next returns a record that is due, or nil.
func (d dues) next(now time.Time) *record {
	if len(d) == 0 || d[0].due.After(now) {
		return nil
	}
	return d[0]
}

// Len, Less, Swap, Push and Pop are those of heap.Interface.

func (d dues) Len() int { return len(d) }

func (d dues) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *dues) Push(r any) {
	r.(*record).place = len(*d)
	*d = append(*d, r.(*record))
}

func (d *dues) Pop() any {
	last := len(*d) - 1
	r := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return r
}
