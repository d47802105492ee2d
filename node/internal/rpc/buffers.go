package rpc

import (
	"sync"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Buffers are for encoding calls and their arguments: small ones, and large ones so
// that the many small calls do not hold on to them.
var (
	buffers      = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}
	largeBuffers = sync.Pool{New: func() any { return new([]byte) }}
)

// keepLarge is the largest buffer that goes back to a pool.
const keepLarge = 4 << 20

// BufferFor takes a buffer for a call with so many bytes of arguments, which need not
// be exact. It may have contents.
func BufferFor(bytes int) *[]byte {
	if bytes > wire.MaxMessage {
		return largeBuffers.Get().(*[]byte)
	}
	return buffers.Get().(*[]byte)
}

// GiveBuffer gives a buffer back to the pool of its size. Nobody uses it any more.
func GiveBuffer(b *[]byte) {
	switch n := cap(*b); {
	case n <= wire.MaxMessage:
		buffers.Put(b)
	case n <= keepLarge:
		largeBuffers.Put(b)
	}
}
