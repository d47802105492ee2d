package node

import (
	"crypto/rand"
	"sync"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// callIDs hands out call ids: 8 random bytes of this instance and a counter
// per callee (protocol, section 5). Counters of one callee have no gaps, so
// that its memory of what it began stays a single range.
type callIDs struct {
	prefix [8]byte

	mu    sync.Mutex
	last  map[crypto.InstanceID]uint64
	floor uint64 // the highest counter of any callee that was forgotten
}

// maxCallees bounds the counters that are remembered. A callee that was
// forgotten goes on above the floor, never below a counter it may have seen.
const maxCallees = 16384

func newCallIDs() *callIDs {
	ids := &callIDs{last: map[crypto.InstanceID]uint64{}}
	rand.Read(ids.prefix[:]) // never fails, see crypto/rand
	return ids
}

func (c *callIDs) next(callee crypto.InstanceID) wire.CallID {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, known := c.last[callee]
	if !known {
		c.makeRoom()
		last = c.floor
	}
	c.last[callee] = last + 1
	return wire.CallID{Caller: c.prefix, Counter: last + 1}
}

func (c *callIDs) makeRoom() {
	for id, last := range c.last {
		if len(c.last) < maxCallees {
			return
		}
		c.floor = max(c.floor, last)
		delete(c.last, id)
	}
}
