package crypto

import (
	"hash/maphash"
	"sync"
)

// ReplayEntries is the number of first messages a node remembers (section 2).
const ReplayEntries = 16384

// ReplaySet remembers the last n ephemeral keys that were entered. Several
// goroutines may use it. It takes 40 bytes per entry, all of it at the start:
// 640 KiB for ReplayEntries.
type ReplaySet struct {
	mu      sync.Mutex
	seed    maphash.Seed
	entries [][32]byte // a ring, in order of entry
	count   int        // entries in use
	oldest  int        // index of the entry to be replaced next, once all are in use
	heads   []int32    // per bucket, 1 + index of an entry; 0 ends a chain
	next    []int32    // per entry, 1 + index of the next one in its bucket
}

// NewReplaySet returns an empty set that holds n entries, at least 1.
func NewReplaySet(n int) *ReplaySet {
	n = max(n, 1)
	return &ReplaySet{
		seed:    maphash.MakeSeed(),
		entries: make([][32]byte, n),
		heads:   make([]int32, n),
		next:    make([]int32, n),
	}
}

// Enter adds e, in place of the oldest entry when the set is full, and reports
// true; or reports false and changes nothing if e is there already. Checking
// and entering is one step: of two callers with the same e, one gets true.
func (r *ReplaySet) Enter(e [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.bucket(&e)
	for i := r.heads[bucket]; i != 0; i = r.next[i-1] {
		if r.entries[i-1] == e { // an ephemeral key is public
			return false
		}
	}
	at := r.count
	if r.count == len(r.entries) {
		at = r.oldest
		r.oldest = (r.oldest + 1) % len(r.entries)
		r.unlink(at)
	} else {
		r.count++
	}
	r.entries[at] = e
	r.next[at] = r.heads[bucket]
	r.heads[bucket] = int32(at + 1)
	return true
}

func (r *ReplaySet) bucket(e *[32]byte) int {
	return int(maphash.Bytes(r.seed, e[:]) % uint64(len(r.heads)))
}

func (r *ReplaySet) unlink(at int) {
	link := &r.heads[r.bucket(&r.entries[at])]
	for *link != int32(at+1) {
		link = &r.next[*link-1]
	}
	*link = r.next[at]
}
