package ledger

import (
	"math"
	"slices"
)

// span is a closed interval of counters.
type span struct{ lo, hi uint64 }

// history is which counters of one caller instance have begun: sorted, disjoint
// spans that do not touch. Counters up to doubt, if doubtful is set, lie in or
// below a gap that was closed for lack of room, so nobody can tell any more
// which of them began.
type history struct {
	prefix   [8]byte
	spans    []span
	doubt    uint64
	doubtful bool
}

// standing is what a history knows about a counter.
type standing uint8

const (
	fresh    standing = iota // has not begun
	begun                    // has begun
	doubtful                 // may have begun
)

func (h *history) standing(counter uint64) standing {
	if h.doubtful && counter <= h.doubt {
		return doubtful
	}
	if _, in := h.find(counter); in {
		return begun
	}
	return fresh
}

// find returns the first span that ends at or after counter, and whether that
// span holds it.
func (h *history) find(counter uint64) (int, bool) {
	last := len(h.spans) - 1
	if last < 0 || counter > h.spans[last].hi {
		return last + 1, false // the common case: counters rise
	}
	i, _ := slices.BinarySearchFunc(h.spans, counter, func(s span, c uint64) int {
		switch {
		case s.hi < c:
			return -1
		case s.hi > c:
			return 1
		}
		return 0
	})
	return i, h.spans[i].lo <= counter
}

// add enters a fresh counter.
func (h *history) add(counter uint64) {
	i, _ := h.find(counter)
	joinsLeft := i > 0 && h.spans[i-1].hi+1 == counter
	joinsRight := i < len(h.spans) && counter != math.MaxUint64 && h.spans[i].lo == counter+1
	switch {
	case joinsLeft && joinsRight:
		h.spans[i-1].hi = h.spans[i].hi
		h.spans = slices.Delete(h.spans, i, i+1)
	case joinsLeft:
		h.spans[i-1].hi = counter
	case joinsRight:
		h.spans[i].lo = counter
	default:
		h.spans = slices.Insert(h.spans, i, span{counter, counter})
	}
}

// closeLowestGap joins the two lowest spans; there must be two.
func (h *history) closeLowestGap() {
	h.spans[1].lo = h.spans[0].lo
	h.spans = slices.Delete(h.spans, 0, 1)
	h.doubt, h.doubtful = h.spans[0].hi, true
}
