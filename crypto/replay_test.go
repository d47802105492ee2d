package crypto

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func numbered(n uint64) (e [32]byte) {
	binary.BigEndian.PutUint64(e[:], n)
	return e
}

func TestR13_ReplaySetRemembersTheLastN(t *testing.T) {
	const n = 100
	set := NewReplaySet(n)
	for i := range uint64(1000) {
		if !set.Enter(numbered(i)) {
			t.Fatalf("%d is refused the first time", i)
		}
		for back := range uint64(n) {
			if back <= i && set.Enter(numbered(i-back)) {
				t.Fatalf("after %d, %d is forgotten", i, i-back)
			}
		}
	}
	if !set.Enter(numbered(1000 - n - 1)) {
		t.Error("the entry before the last n is still there")
	}
}

// The set against a plain model, with keys that come again at random.
func TestR13_ReplaySetMatchesAModel(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 0)) // seeded, to repeat a failure
	for _, n := range []int{1, 2, 7, 64} {
		set := NewReplaySet(n)
		var model []uint64
		for step := range 20_000 {
			v := r.Uint64N(uint64(3*n + 1))
			known := false
			for _, m := range model {
				known = known || m == v
			}
			if set.Enter(numbered(v)) == known {
				t.Fatalf("n %d, step %d: %d known: %v", n, step, v, known)
			}
			if !known {
				model = append(model, v)
				model = model[max(0, len(model)-n):]
			}
		}
	}
}

func TestR13_OfSimultaneousReplaysOneEnters(t *testing.T) {
	set := NewReplaySet(ReplayEntries)
	var entered atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			<-start
			for i := range uint64(ReplayEntries) {
				if set.Enter(numbered(i)) {
					entered.Add(1)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	if entered.Load() != ReplayEntries {
		t.Errorf("%d entered, want %d", entered.Load(), ReplayEntries)
	}
}

func TestR13_ReplaySetMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set := NewReplaySet(ReplayEntries)
	for i := range uint64(3 * ReplayEntries) {
		set.Enter(numbered(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d entries take %d KiB: 512 of keys, the rest index", ReplayEntries, used>>10)
	if used > 700<<10 {
		t.Errorf("%d bytes", used)
	}
	runtime.KeepAlive(set)
}
