package discovery

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// BenchmarkTable measures what one entry of a large table costs: to enter it, to
// bring it up to date, to take it out when it fell silent, to hand it out and to
// keep it. None of that should grow with the number of entries.
func BenchmarkTable(b *testing.B) {
	for _, n := range []int{256, 1024, 4096} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) { benchmarkTable(b, n) })
	}
}

func benchmarkTable(b *testing.B, n int) {
	var enter, update, list, expire time.Duration
	var memory int64
	for b.Loop() {
		before, now := inUse(), time.Now()
		st := crowdless(b)
		timed(&enter, func() {
			for i := range n {
				st.take(i, 1, now.Add(time.Duration(i)*time.Millisecond))
			}
		})
		memory += inUse() - before
		timed(&update, func() {
			for i := range n {
				st.take(i, 2, now.Add(time.Duration(n+i)*time.Millisecond))
			}
		})
		timed(&list, func() {
			if got := len(st.Entries()); got != n {
				b.Fatalf("%d entries, want %d", got, n)
			}
		})
		timed(&expire, func() { // as Service.sweep does, with time flying
			for due := now; st.table.live > 0; {
				due = st.table.sweep(due)
			}
		})
	}
	each := float64(b.N * n)
	for unit, took := range map[string]time.Duration{
		"enter-ns/entry": enter, "update-ns/entry": update, "list-ns/entry": list, "expire-ns/entry": expire,
	} {
		b.ReportMetric(float64(took.Nanoseconds())/each, unit)
	}
	b.ReportMetric(float64(memory)/each, "B/entry")
	b.ReportMetric(0, "ns/op") // the above in one
}

// BenchmarkHear measures one datagram of a node that is known, from the socket's
// bytes on, beside so many others.
func BenchmarkHear(b *testing.B) {
	const batch = 1000 // tokens made at a time
	for _, n := range []int{256, 1024, 4096} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			st, key := crowdless(b), schedule(homeKey, "home")
			for i := range n {
				st.take(i, 1, time.Now())
			}
			tokens := make([][]byte, batch)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					for j := range tokens {
						tokens[j] = forge(key, member((2*(i+j)+1)%n, 2+uint64(i+j)), nil) // of those without an identity
					}
					b.StartTimer()
				}
				st.hear(tokens[i%batch], arrival{source: SourceUDP, from: addrPort("127.0.0.1:4000")})
			}
			if got := st.Stats().Accepted; got != uint64(b.N) {
				b.Fatalf("%d of %d accepted", got, b.N)
			}
		})
	}
}

// crowdless is a station that is not started and tells nobody.
func crowdless(b *testing.B) *station {
	return newStation(b, nil, "kitchen", func(c *Config) { c.OnChange, c.OnReport = nil, nil })
}

// member is an advert of the i-th of many nodes.
func member(i int, counter uint64) advert {
	a := here(fmt.Sprintf("m%d", i), counter, addr("127.0.0.1"))
	binary.BigEndian.PutUint32(a.instance[:], uint32(i))
	return a
}

// take enters an advert of the i-th node, which has an identity if i is even.
func (st *station) take(i int, counter uint64, now time.Time) {
	a := member(i, counter)
	if a.hasKey = i%2 == 0; a.hasKey {
		copy(a.nodeKey[:], a.instance[:])
	}
	at := Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 7000), Source: SourceUDP, Seen: now}
	st.table.accept(&a, []Addr{at}, heardKey{0, st.ring.keys[0].KeyID()}, now)
}

func timed(sum *time.Duration, f func()) {
	start := time.Now()
	f()
	*sum += time.Since(start)
}

// inUse is the heap in use once all garbage is collected.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
