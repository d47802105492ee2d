//go:build unix

package relayserver_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

var (
	kinds = []string{"plain", "tls"}
	sizes = []int{256, 64 << 10}
)

// window is how many records of a stream are under way: as many as a client's
// queue holds of large ones.
func window(size int) int { return min(32, (512<<10)/size) }

// BenchmarkStream is records from one member to another, 32 of them under way
// (8 of the large ones), and
// what the relay, in a process of its own, needs for each.
func BenchmarkStream(b *testing.B) {
	for _, kind := range kinds {
		for _, size := range sizes {
			b.Run(fmt.Sprint(kind, "/", size), func(b *testing.B) { stream(b, kind, size) })
		}
	}
}

func stream(b *testing.B, kind string, size int) {
	a, n := startApart(b, kind), network()
	out, in := open(b, a.joinApart(n), a.joinApart(n))
	credit := make(chan struct{}, window(size))
	received := make(chan error, 1)
	go func() {
		for {
			_, err := in.ReadRecord(wire.MaxRecord)
			if err != nil {
				received <- err
				return
			}
			<-credit
		}
	}()
	record := make([]byte, size)
	before := a.figures("")
	var own runtime.MemStats
	runtime.ReadMemStats(&own)
	mallocs := own.Mallocs
	b.SetBytes(int64(size))
	for b.Loop() {
		credit <- struct{}{}
		if err := out.WriteRecord(record); err != nil {
			b.Fatal(err)
		}
	}
	for range window(size) { // the last has arrived
		credit <- struct{}{}
	}
	after := a.figures("")
	runtime.ReadMemStats(&own)
	per := float64(b.N)
	b.ReportMetric(per/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(after.CPU-before.CPU)/per, "relay-ns/msg")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/per, "relay-allocs/msg")
	b.ReportMetric(float64(after.Writes-before.Writes)/per, "relay-writes/msg")
	b.ReportMetric(float64(own.Mallocs-mallocs)/per, "client-allocs/msg")
	_ = out.Close()
	<-received
}

// BenchmarkEcho is a record to another member and back, one at a time.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			a, n := startApart(b, kind), network()
			out, in := open(b, a.joinApart(n), a.joinApart(n))
			go func() {
				for {
					r, err := in.ReadRecord(wire.MaxRecord)
					if err != nil || in.WriteRecord(r) != nil {
						return
					}
				}
			}()
			record := make([]byte, 256)
			var took []time.Duration
			before := a.figures("")
			for b.Loop() {
				start := time.Now()
				if err := out.WriteRecord(record); err != nil {
					b.Fatal(err)
				}
				if _, err := out.ReadRecord(wire.MaxRecord); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			after := a.figures("")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(after.CPU-before.CPU)/float64(2*b.N), "relay-ns/msg")
		})
	}
}

// BenchmarkIdleMembers is what a member costs the relay that has joined, in a room
// of its own, and says nothing.
func BenchmarkIdleMembers(b *testing.B) {
	const members = 5000
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				a := startApart(b, kind)
				n := network()
				a.sit(n) // what the first one costs is the relay's
				before := a.figures("memory")
				for range members {
					a.sit(network())
				}
				after := a.figures("memory")
				b.ReportMetric(float64(after.InUse-before.InUse)/members, "B/member")
				b.ReportMetric(float64(after.Resident-before.Resident)/members, "resident-B/member")
				b.ReportMetric(float64(after.CPU-before.CPU)/members/1e3, "relay-µs/join")
			}
		})
	}
}

// BenchmarkRoom is many members that join one room at once: until each knows of
// all the others.
func BenchmarkRoom(b *testing.B) {
	for _, members := range []int{256, 1024} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			for b.Loop() {
				a, n := startApart(b, "plain"), network()
				before := a.figures("memory")
				full := make(chan error)
				start := time.Now()
				for range members {
					k := a.sit(n)
					go func() { full <- k.meet(members - 1) }()
				}
				for range members {
					if err := <-full; err != nil {
						b.Fatal(err)
					}
				}
				took := time.Since(start)
				after := a.figures("memory")
				b.ReportMetric(float64(took.Microseconds())/float64(members), "µs/join")
				b.ReportMetric(float64(after.CPU-before.CPU)/1e3/float64(members), "relay-µs/join")
				b.ReportMetric(float64(after.Writes-before.Writes)/float64(members), "relay-writes/join")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(members), "relay-allocs/join")
				b.ReportMetric(float64(after.InUse-before.InUse)/float64(members), "B/member")
			}
		})
	}
}
