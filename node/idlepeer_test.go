package node

import (
	"testing"
	"time"
)

// What an idle peer may cost: goroutines, and heap and stacks.
const (
	idleGoroutines = 2
	idleMemory     = 60 << 10
)

// The buffers of a link grow with what goes over it; idle again, it holds as
// little as before.
func TestAnIdlePeerTakesTwoGoroutinesAndLittleMemory(t *testing.T) {
	peers := 100
	if raceEnabled {
		peers = 40 // calls of 1 MiB take it long
	}
	h := startHub(t)
	before := look()
	h.join(t, peers)
	for _, used := range []struct {
		how          string
		calls, bytes int
	}{{"small calls", 5, 64}, {"calls of 1 MiB", 1, 1 << 20}} {
		h.tell(t, used.calls, used.bytes)
		_, busy, _ := look().perPeer(before, peers)
		goroutines, memory := h.rest(before)
		t.Logf("a peer takes %.1f KiB after %s, %.1f KiB and %.2f goroutines once idle", busy/1024, used.how, memory/1024, goroutines)
		if goroutines > idleGoroutines || memory > idleMemory {
			t.Errorf("after %s an idle peer takes %.2f goroutines and %.1f KiB, want at most %d and %d KiB",
				used.how, goroutines, memory/1024, idleGoroutines, idleMemory>>10)
		}
	}
}

// rest waits until the hub's peers take no more than idle ones may, at most for
// twenty seconds, and returns what each takes.
func (h *hub) rest(before footprint) (goroutines, memory float64) {
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		goroutines, memory, _ = look().perPeer(before, h.peers)
		if goroutines <= idleGoroutines && memory <= idleMemory || time.Now().After(until) {
			return goroutines, memory
		}
	}
}
