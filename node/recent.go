package node

import (
	"sync"
	"time"
)

// recentItems is over how many calls [Recent] looks back.
const recentItems = 1024

// Recent is how the last calls fared: the last 1,024, or all when there were
// fewer.
type Recent struct {
	// Items is how many calls that ended Response, Work and Capacity are about.
	Items int
	// Response is the mean time from the arrival of a call to its answer, waiting
	// for its turn included.
	Response time.Duration
	// Work is the mean time from the start of the command to its answer.
	Work time.Duration
	// Capacity is how many calls a second could be served one after the other,
	// from Work alone. It tells how fast the command is, not how often it is
	// called; 0 when Work is.
	Capacity float64
	// Arrivals is how many calls a second came, from the oldest of the last 1,024
	// that began until now. It falls while none come.
	Arrivals float64
}

// Recent tells how the last calls of all commands fared, those of this node to
// itself included. Node.CommandStats has the same for each command.
func (n *Node) Recent() Recent { return n.tallies.recent.stat(time.Now()) }

// recent remembers the last calls. It grows to a fixed size, 16 KiB.
type recent struct {
	mu       sync.Mutex
	epoch    time.Time
	arrivals latest[time.Duration] // since epoch
	ended    latest[span]
}

// span is what one call took, in nanoseconds with 24 bits of precision.
type span struct{ response, work float32 }

// begin notes that a call came.
func (r *recent) begin(arrived time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arrivals.count == 0 {
		r.epoch = arrived
	}
	r.arrivals.add(arrived.Sub(r.epoch))
}

// end notes that a call ended.
func (r *recent) end(response, work time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.add(span{float32(response), float32(work)})
}

func (r *recent) stat(now time.Time) Recent {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Recent{Items: len(r.ended.kept)}
	if s.Items > 0 {
		var response, work float64
		for _, one := range r.ended.kept {
			response += float64(one.response)
			work += float64(one.work)
		}
		s.Response, s.Work = time.Duration(response/float64(s.Items)), time.Duration(work/float64(s.Items))
		if work > 0 {
			s.Capacity = float64(s.Items) / (work / float64(time.Second))
		}
	}
	if later := len(r.arrivals.kept) - 1; later > 0 {
		if over := now.Sub(r.epoch) - r.arrivals.oldest(); over > 0 {
			s.Arrivals = float64(later) / over.Seconds()
		}
	}
	return s
}

// latest holds the last items, up to recentItems.
type latest[T any] struct {
	kept  []T
	count uint64 // ever
}

func (l *latest[T]) add(item T) {
	if n := len(l.kept); n == cap(l.kept) && n < recentItems {
		l.kept = append(make([]T, 0, max(16, min(2*n, recentItems))), l.kept...)
	}
	if len(l.kept) < recentItems {
		l.kept = append(l.kept, item)
	} else {
		l.kept[l.count%recentItems] = item
	}
	l.count++
}

// oldest returns the item that is replaced next. There must be one.
func (l *latest[T]) oldest() T {
	if len(l.kept) < recentItems {
		return l.kept[0]
	}
	return l.kept[l.count%recentItems]
}
