package node

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// BenchmarkStreamValues measures the values of one stream between two nodes over
// TCP on loopback, by their size.
func BenchmarkStreamValues(b *testing.B) {
	nodes := onLoopback(b, "a", "b")
	err := commands.ServerStream(nodes[1].Commands(), "flood", func(_ context.Context, in upTo) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			value := make([]byte, in.Size)
			for range in.N {
				if !yield(value, nil) {
					return
				}
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{8, 1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			got := 0
			for v, err := range InvokeStream[[]byte](context.Background(), nodes[0], "b", "flood", upTo{N: b.N, Size: size}) {
				if err != nil || len(v) != size {
					b.Fatal(err)
				}
				got++
			}
			if got != b.N {
				b.Errorf("%d of %d values", got, b.N)
			}
		})
	}
}
