package node

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// BenchmarkCall measures calls between two nodes over TCP on loopback, by
// payload, which the callee sends back,
// and by number of concurrent callers.
func BenchmarkCall(b *testing.B) {
	nodes := onLoopback(b, "a", "b")
	size := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := nodes[1].Commands().Handle("mirror", size); err != nil {
		b.Fatal(err)
	}
	for _, bytes := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("size=%d/callers=%d", bytes, callers), func(b *testing.B) {
				benchmarkCall(b, nodes[0], make([]byte, bytes), callers)
			})
		}
	}
}

// BenchmarkCallBulk is BenchmarkCall for large payloads, with the bulk cipher.
func BenchmarkCallBulk(b *testing.B) {
	nodes := onLoopbackWith(b, withBulk, "a", "b")
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := nodes[1].Commands().Handle("mirror", mirror); err != nil {
		b.Fatal(err)
	}
	for _, bytes := range []int{64 << 10, 1 << 20} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("size=%d/callers=%d", bytes, callers), func(b *testing.B) {
				benchmarkCall(b, nodes[0], make([]byte, bytes), callers)
			})
		}
	}
}

func benchmarkCall(b *testing.B, n *Node, payload []byte, callers int) {
	b.SetBytes(2 * int64(len(payload))) // there and back
	b.ReportAllocs()
	calls := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				if _, err := n.Call(context.Background(), "b", "mirror", Args(payload)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for b.Loop() {
		calls <- struct{}{}
	}
	close(calls)
	wg.Wait()
}
