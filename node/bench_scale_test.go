package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// BenchmarkPeers measures one node with few and with many peers, over TCP on
// loopback: what an idle peer costs it, and calls of 64 bytes, which the peers
// send back, by 64 callers that go round all peers. The peers are in another
// process. The cost of a peer and of a call should not grow with their number.
func BenchmarkPeers(b *testing.B) {
	for _, peers := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) { benchmarkPeers(b, peers) })
	}
}

func benchmarkPeers(b *testing.B, peers int) {
	h := startHub(b)
	before := look()
	h.join(b, peers)
	goroutines, memory, resident := look().perPeer(before, peers)
	names := make([]string, peers)
	for i := range names {
		names[i] = fmt.Sprintf("p%d", i)
	}
	payload := make([]byte, 64)
	b.ReportAllocs()
	var next atomic.Int64
	calls := make(chan struct{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range calls {
				name := names[int(next.Add(1))%peers]
				if _, err := h.node.Call(context.Background(), name, "mirror", Args(payload)); err != nil {
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(goroutines, "goroutines/peer")
	b.ReportMetric(memory, "B/peer")
	b.ReportMetric(resident, "RSS-B/peer")
}

// BenchmarkRoster measures what a call has to find out before it goes anywhere,
// beside so many other members, half of which offer a service.
func BenchmarkRoster(b *testing.B) {
	for _, members := range []int{256, 1024, 4096} {
		n, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey())})
		if err != nil {
			b.Fatal(err)
		}
		r := n.roster
		before := look()
		for i := range members {
			r.seen(crowdEntry(i))
		}
		memory := look().memory - before.memory
		name := crowdEntry(members / 2).Name
		tried := map[*member]bool{r.members[crowdEntry(0).Instance]: true}
		for _, op := range []struct {
			name string
			do   func() bool
		}{
			{"by name", func() bool { found, _ := r.claimants(name); return len(found) == 1 }},
			{"update", func() bool { return r.seen(crowdEntry(members/2)) == nil }},
			{"any", func() bool { m, _ := r.choose("light", wish{}, nil); m.busy.Add(-1); return m != nil }},
			{"any of the rest", func() bool { m, _ := r.choose("light", wish{}, tried); m.busy.Add(-1); return m != nil }},
			{"any sticky", func() bool {
				m, _ := r.choose("light", wish{sticky: "k", keyed: true}, nil)
				m.busy.Add(-1)
				return m != nil
			}},
			{"others", func() bool { return r.others("light", nil, nil) }},
			{"no such service", func() bool { m, _ := r.choose("none", wish{}, nil); return m == nil }},
		} {
			b.Run(fmt.Sprintf("%s/members=%d", op.name, members), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !op.do() {
						b.Fatal("it went wrong")
					}
				}
				b.ReportMetric(float64(memory)/float64(members), "B/member")
			})
		}
	}
}

// crowdEntry is what discovery says of the i-th of many nodes.
func crowdEntry(i int) discovery.Entry {
	e := discovery.Entry{Name: fmt.Sprintf("m%d", i), LastSeen: time.Now()}
	binary.BigEndian.PutUint32(e.Instance[:], uint32(i+1))
	e.Addrs = []discovery.Addr{{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 4000), Seen: time.Now()}}
	if i%2 == 0 {
		e.Status = wire.AppendStatus(nil, wire.Status{Revision: 1, Services: []wire.Service{{Name: "light", Ready: true}}})
	}
	return e
}

// BenchmarkGather measures a gather to all peers of a node, over links that are
// there, by member.
func BenchmarkGather(b *testing.B) {
	for _, members := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			h := startHub(b)
			h.join(b, members)
			names := make([]string, members)
			for i := range names {
				names[i] = fmt.Sprintf("p%d", i)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			payload := make([]byte, 64)
			for b.Loop() {
				g := h.node.Gather(context.Background(), Nodes(names...), "mirror", Args(payload))
				if err := g.Err(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			each := float64(b.N * members)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/each, "ns/member")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/each, "allocs/member")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/each, "B/member")
		})
	}
}
