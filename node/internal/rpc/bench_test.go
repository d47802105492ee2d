package rpc

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkCall is one call over loopback TCP: the argument goes, and comes
// back. Both sides run in this process, so allocations are of both together.
func BenchmarkCall(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%dB/%dcallers", size, callers), func(b *testing.B) {
				alice, bob := newParty(b, "alice", ServerConfig{}), newParty(b, "bob", ServerConfig{})
				e := connectTCP(b, alice, bob, Config{})
				args := request("echo", make([]byte, size)).Args
				b.SetBytes(int64(2 * size))
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							req := Request{Path: "echo", Args: args}
							req.ID.Counter = callCounter.Add(1)
							if _, err := e.a.Call(context.Background(), req); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
