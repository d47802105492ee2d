package relay

import (
	"sync"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// chunkSizes are the capacities of chunks: one for a few small records, one for
// many, one for what a link sends of a large message, and for larger records.
var chunkSizes = [...]int{4 << 10, 16 << 10, 24 << 10, 33 << 10, 66 << 10, HeaderLen + recordHead + wire.MaxRecord}

// chunkPools keep chunks of each size for use again. What was idle for long goes
// to the garbage collector.
var chunkPools [len(chunkSizes)]sync.Pool

// chunk is a part of a queue of records.
type chunk struct {
	bytes []byte
	class int // of its size
	next  *chunk
}

// newChunk returns an empty chunk for at least n bytes.
func newChunk(n int) *chunk {
	class := 0
	for chunkSizes[class] < n {
		class++
	}
	if c, ok := chunkPools[class].Get().(*chunk); ok {
		return c
	}
	return &chunk{bytes: make([]byte, 0, chunkSizes[class]), class: class}
}

// free takes a chunk that nobody uses any more; nil is none.
func (c *chunk) free() {
	if c != nil {
		c.bytes, c.next = c.bytes[:0], nil
		chunkPools[c.class].Put(c)
	}
}

// chunks is a queue of bytes, in chunks: an empty one has none. What is put in at
// a time lies in one chunk.
type chunks struct {
	first, last *chunk
}

// room returns the chunk to whose bytes n more can be appended.
func (q *chunks) room(n int) *chunk {
	last := q.last
	if last != nil && len(last.bytes)+n <= cap(last.bytes) {
		return last
	}
	if last != nil {
		n = max(n, chunkSizes[1]) // it does not stay at a few
	}
	c := newChunk(n)
	if last == nil {
		q.first = c
	} else {
		last.next = c
	}
	q.last = c
	return c
}

// pop removes the first chunk; nil if there is none.
func (q *chunks) pop() *chunk {
	c := q.first
	if c == nil {
		return nil
	}
	if q.first = c.next; q.first == nil {
		q.last = nil
	}
	c.next = nil
	return c
}

// drop frees all.
func (q *chunks) drop() {
	for c := q.pop(); c != nil; c = q.pop() {
		c.free()
	}
}
