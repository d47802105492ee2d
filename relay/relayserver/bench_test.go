package relayserver_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// BenchmarkRoundTrip is a record to another member and back, over loopback.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{256, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, n := localSite(b, defaults()), network()
			alice, bob := s.join(n), s.join(n)
			out, in := open(b, alice, bob)
			go func() {
				for {
					r, err := in.ReadRecord(wire.MaxRecord)
					if err != nil || in.WriteRecord(r) != nil {
						return
					}
				}
			}()
			record := make([]byte, size)
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				if err := out.WriteRecord(record); err != nil {
					b.Fatal(err)
				}
				if _, err := out.ReadRecord(wire.MaxRecord); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkForward is records one way, as many as go through. The receiver
// grants credit as a link does, since the relay ends what is not taken.
func BenchmarkForward(b *testing.B) {
	for _, size := range []int{256, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, n := localSite(b, defaults()), network()
			alice, bob := s.join(n), s.join(n)
			out, in := open(b, alice, bob)
			credit := make(chan struct{}, (256<<10)/size)
			ended := make(chan error, 1)
			go func() {
				for {
					if _, err := in.ReadRecord(wire.MaxRecord); err != nil {
						ended <- err
						return
					}
					<-credit
				}
			}()
			record := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				credit <- struct{}{}
				if err := out.WriteRecord(record); err != nil {
					b.Fatal(err, <-ended)
				}
			}
		})
	}
}

// BenchmarkIdleClients measures what clients cost that have joined and say
// nothing: heap and stacks of the relay, with their raw ends in this process.
func BenchmarkIdleClients(b *testing.B) {
	const clients = 2000
	for b.Loop() {
		s := localSite(b, defaults())
		before := inUse()
		start := time.Now()
		for range clients {
			s.rawMember(network())
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/clients, "µs/join")
		b.ReportMetric(float64(inUse()-before)/clients, "B/client")
	}
}

// inUse is what the process needs now.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
