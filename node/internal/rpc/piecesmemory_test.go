//go:build !race

package rpc

import (
	"runtime"
	"testing"
)

// A large message costs its receiver its length once, however it grew. With the
// race detector a sync.Pool drops some of what it is given.
func TestALargeMessageIsAllocatedOnce(t *testing.T) {
	const size, messages = 1 << 20, 20
	chunk := make([]byte, 16000)
	receive := func() {
		var p pieces
		for p.size < size {
			p.add(chunk)
		}
		p.join()
	}
	receive() // fills the pool
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range messages {
		receive()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / messages; got > size*3/2 {
		t.Errorf("%d bytes allocated for a message of %d", got, size)
	}
}
