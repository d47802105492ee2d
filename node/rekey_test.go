package node

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// TestR21_RekeyStorm makes calls over links whose keys last for 64 frames and
// whose sessions are renewed every 2 s: no call is lost, none runs twice, and
// neither links (each has one key each way) nor memory grow.
func TestR21_RekeyStorm(t *testing.T) {
	const rounds = 5
	calls, callers := 20_000, 16
	if *long {
		calls, callers = 1_000_000, 64
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		stormy := func(c *Config) { c.Limits.RekeyFrames, c.Timers.Renew = 64, 2*time.Second }
		a, b := m.start("a", stormy), m.start("b", stormy)
		m.lan.SetLatency(5 * time.Millisecond)
		runs := make([]atomic.Int32, calls)
		handle(t, b, "note", func(_ context.Context, c *commands.Call) (any, error) {
			id, err := commands.Arg[int64](c, 0)
			if err == nil {
				runs[id].Add(1)
			}
			return id, err
		})
		var next atomic.Int64
		var heap [rounds]uint64
		var mostLinks atomic.Int32
		watching, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				mostLinks.Store(max(mostLinks.Load(), int32(a.Stats().LinksOpen), int32(b.Stats().LinksOpen)))
				select {
				case <-time.After(20 * time.Millisecond):
				case <-watching:
					return
				}
			}
		}()
		for round := range heap {
			until := int64(calls) * int64(round+1) / rounds
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for id := next.Add(1) - 1; id < until; id = next.Add(1) - 1 {
						noteOnce(t, a, id)
					}
				})
			}
			wg.Wait()
			next.Store(until)
			time.Sleep(3 * a.cfg.Timers.Drain) // what drains has ended
			runtime.GC()
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			heap[round] = mem.HeapAlloc
		}
		close(watching)
		<-done
		for id := range runs {
			if n := runs[id].Load(); n != 1 {
				t.Fatalf("call %d ran %d times", id, n)
			}
		}
		s, updates := a.Stats(), a.Stats().KeyUpdates+b.Stats().KeyUpdates
		t.Logf("%d calls, %d key updates, %d renewals, %d retries, at most %d links; heap KiB %v",
			calls, updates, s.Renewals, s.Retries, mostLinks.Load(), kib(heap[:]))
		if updates < 100 || s.Renewals+b.Stats().Renewals < 5 {
			t.Error("too few key updates or renewals for a storm")
		}
		if mostLinks.Load() > 4 || a.Stats().LinksOpen > 1 {
			t.Errorf("up to %d links were open, %d at the end", mostLinks.Load(), a.Stats().LinksOpen)
		}
		if grown := int64(heap[rounds-1]) - int64(heap[1]); grown > 2<<20 {
			t.Errorf("the heap grew by %d KiB from the second round to the last", grown>>10)
		}
	})
}

func noteOnce(t *testing.T, n *Node, id int64) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reply, err := n.Call(ctx, "b", "note", Args(id))
	var got int64
	if err == nil {
		err = reply.Decode(&got)
	}
	if err != nil || got != id {
		t.Errorf("call %d: answered %d, %v", id, got, err)
	}
}

func kib(bytes []uint64) []uint64 {
	out := make([]uint64, 0, len(bytes))
	for _, b := range bytes {
		out = append(out, b>>10)
	}
	return out
}
