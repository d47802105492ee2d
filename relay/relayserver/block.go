package relayserver

import (
	"sync"
	"sync/atomic"

	"github.com/fernmesh/fernmesh/relay"
)

// blockSizes are the capacities of blocks: one that fits what a link of calls
// sends, some between, so that little is unused, and one for the largest record.
var blockSizes = [...]int{16 << 10, 33 << 10, 66 << 10, relay.HeaderLen + relay.MaxFrame}

// blockPools keep blocks of each size for use again.
var blockPools [len(blockSizes)]sync.Pool

// block holds whole frames that wait to be written.
type block struct {
	frames  []byte
	next    *block // in the queue
	class   int    // of its size
	records int    // bytes of records in it
	gones   int    // bytes of GONEs
}

// gate bounds the memory of all the queues together.
type gate struct {
	limit int64
	used  atomic.Int64
}

// block returns an empty block for a frame of n bytes, or nil if the memory is
// used up. A forced one is beyond the limit, for control frames.
func (g *gate) block(n int, force bool) *block {
	class := 0
	for blockSizes[class] < n {
		class++
	}
	size := int64(blockSizes[class])
	if g.used.Add(size) > g.limit && !force {
		g.used.Add(-size)
		return nil
	}
	if b, ok := blockPools[class].Get().(*block); ok {
		return b
	}
	return &block{frames: make([]byte, 0, size), class: class}
}

// free takes a block back.
func (g *gate) free(b *block) {
	g.used.Add(-int64(cap(b.frames)))
	*b = block{frames: b.frames[:0], class: b.class}
	blockPools[b.class].Put(b)
}
