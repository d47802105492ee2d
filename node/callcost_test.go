package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// smallValue is 64 bytes as a command gets them.
var smallValue = func() commands.Raw {
	raw, err := commands.EncodeValue(bytes.Repeat([]byte("fern"), 16))
	if err != nil {
		panic(err)
	}
	return raw
}()

// maxCallAllocs is what the caller's side of a small call may allocate. Without
// the pools, which the race detector makes drop a part of what they are given, it
// is more.
func maxCallAllocs() float64 {
	if raceEnabled {
		return 12
	}
	return 8
}

// TestTheCallersSideOfASmallCallAllocatesLittle counts what this process
// allocates for a call; the callee is in another one.
func TestTheCallersSideOfASmallCallAllocatesLittle(t *testing.T) {
	n := nearFar(t)
	limited, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		call func(context.Context, *Node) error
	}{
		{"Call", context.Background(), callFar},
		{"Call with a deadline", limited, callFar},
		{"Call to a service", context.Background(), callService},
		{"Invoke", context.Background(), invokeFar},
	} {
		for _, callers := range []int{1, 64} {
			const calls = 4096
			crowd(t, callers, calls, func() error { return test.call(test.ctx, n) }) // fills the pools
			allocs := allocations(func() {
				crowd(t, callers, calls, func() error { return test.call(test.ctx, n) })
			}) / calls
			t.Logf("%s, %d callers: %.2f allocations a call", test.name, callers, allocs)
			if most := maxCallAllocs(); allocs > most {
				t.Errorf("%s, %d callers: %.2f allocations a call, want at most %v", test.name, callers, allocs, most)
			}
		}
	}
}

// allocations is how often this process allocates while f runs.
func allocations(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// crowd makes so many calls from so many goroutines.
func crowd(t testing.TB, callers, calls int, call func() error) {
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls / callers {
				if err := call(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

var errNotMirrored = errors.New("another value came back")

func callFar(ctx context.Context, n *Node) error {
	return cameBack(n.Call(ctx, farName, farCommand, Args(smallValue)))
}

func callService(ctx context.Context, n *Node) error {
	return cameBack(n.Call(ctx, "any("+farService+")", farCommand, Args(smallValue)))
}

// cameBack checks that smallValue came back.
func cameBack(reply *Reply, err error) error {
	if err == nil && !bytes.Equal(reply.Raw(), smallValue) {
		err = errNotMirrored
	}
	return err
}

// invokeFar calls a typed command.
func invokeFar(ctx context.Context, n *Node) error {
	out, err := Invoke[farNumber](ctx, n, farName, farTyped, &farNumber{21})
	if err == nil && out.N != 42 {
		err = errNotMirrored
	}
	return err
}

// BenchmarkCallRaw measures calls of 64 bytes as raw values to a node in another
// process: the allocations, and cpu-ns/op where the system tells it, are the
// caller's alone.
func BenchmarkCallRaw(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n := nearFar(b)
			b.ReportAllocs()
			b.ResetTimer()
			before := usedCPU()
			crowd(b, callers, max(b.N, callers), func() error { return callFar(context.Background(), n) })
			b.ReportMetric(float64(usedCPU()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
