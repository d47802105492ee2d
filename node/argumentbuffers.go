package node

import (
	"sync"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Buffers for the encoded arguments of calls: small ones, and large ones so that the
// many small calls do not hold on to them.
var (
	argumentBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}
	largeArguments  = sync.Pool{New: func() any { return new([]byte) }}
)

// keptArguments is the largest buffer that goes back to a pool.
const keptArguments = 4 << 20

// bufferFor takes a buffer for arguments, as large as their bytes alone tell.
func bufferFor(args []any) *[]byte {
	n := 0
	for _, arg := range args {
		switch v := arg.(type) {
		case commands.Raw:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	if n > wire.MaxMessage {
		return largeArguments.Get().(*[]byte)
	}
	return argumentBuffers.Get().(*[]byte)
}

// giveBuffer gives a buffer back to the pool of its size.
func giveBuffer(b *[]byte) {
	switch n := cap(*b); {
	case n <= wire.MaxMessage:
		argumentBuffers.Put(b)
	case n <= keptArguments:
		largeArguments.Put(b)
	}
}
