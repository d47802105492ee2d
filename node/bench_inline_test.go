package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// BenchmarkCallInline measures calls of a command marked quick, and of the same one
// without the mark, between two processes over TCP on loopback. The allocations
// are the callee's. FERNMESH_CALLEE_FLAGS has flags for the callee, such as
// -test.cpuprofile=FILE.
func BenchmarkCallInline(b *testing.B) {
	for _, command := range []string{"raw", "raw inline"} {
		for _, bytes := range []int{64, 1 << 10} {
			for _, callers := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/size=%d/callers=%d", command, bytes, callers), func(b *testing.B) {
					benchmarkCallee(b, command, bytes, callers)
				})
			}
		}
	}
}

func benchmarkCallee(b *testing.B, command string, bytes, callers int) {
	n, _ := calleeProcess(b, strings.Fields(os.Getenv("FERNMESH_CALLEE_FLAGS"))...)
	payload, err := commands.EncodeValue(make([]byte, bytes))
	if err != nil {
		b.Fatal(err)
	}
	calls := make(chan int)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for some := range calls {
				for range some {
					if _, err := n.Call(context.Background(), "callee", command, Args(commands.Raw(payload))); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	before, cpu := calleeAllocations(b, n), askCallee[time.Duration](b, n, "cpu")
	b.ResetTimer()
	for left := b.N; left > 0; left -= 16 { // handing over one by one would be most of what is measured
		calls <- min(left, 16)
	}
	close(calls)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	cpu = askCallee[time.Duration](b, n, "cpu") - cpu
	b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "callee-cpu-µs/op")
	b.ReportMetric(float64(calleeAllocations(b, n)-before)/float64(b.N), "callee-allocs/op")
}
