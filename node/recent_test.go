package node

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 0.01*want }

// pausing takes as long as its argument says.
func pausing(_ context.Context, c *commands.Call) (any, error) {
	d, err := commands.Arg[time.Duration](c, 0)
	time.Sleep(d)
	return nil, err
}

func TestS3_16_TheLast1024OfEachCommandAndOverall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "slow", pausing)
		handle(t, b, "fast", pausing)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		call := func(path string, d time.Duration) {
			t.Helper()
			<-every.C
			if _, err := a.Call(t.Context(), "b", path, Args(d)); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			call("slow", 80*time.Millisecond)
		}
		s := b.CommandStats()["slow"].Recent
		if s.Items != 100 || s.Response != 80*time.Millisecond || s.Work != 80*time.Millisecond || !near(s.Capacity, 12.5) || !near(s.Arrivals, 10) {
			t.Errorf("after 100: %+v", s)
		}
		for range 1024 { // they push the first ones out of the figures
			call("slow", 20*time.Millisecond)
		}
		s = b.CommandStats()["slow"].Recent
		if s.Items != 1024 || s.Response != 20*time.Millisecond || !near(s.Capacity, 50) || !near(s.Arrivals, 10) {
			t.Errorf("after 1,124: %+v", s)
		}
		if whole := b.CommandStats()["slow"]; whole.Calls != 1124 || whole.Total != 100*80*time.Millisecond+1024*20*time.Millisecond {
			t.Errorf("since the start: %+v", whole)
		}
		for range 512 {
			call("fast", 10*time.Millisecond)
		}
		if s := b.Recent(); s.Items != 1024 || s.Response != 15*time.Millisecond || !near(s.Capacity, 1000/15.) || !near(s.Arrivals, 10) {
			t.Errorf("half of the last 1,024 are of each command: %+v", s)
		}
		if s := b.CommandStats()["fast"].Recent; s.Items != 512 || s.Work != 10*time.Millisecond {
			t.Errorf("of one command: %+v", s)
		}
		time.Sleep(1024 * 100 * time.Millisecond)
		if s := b.Recent(); !near(s.Arrivals, 5) || !near(s.Capacity, 1000/15.) {
			t.Errorf("after as long without calls: %+v", s)
		}
	})
}

// Capacity comes from the work alone; a call's response includes its wait.
func TestS3_16_ResponseIncludesTheWaitAndWorkDoesNot(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Limits.HandlersPerPeer = 1 })
		handle(t, b, "wait", pausing)
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				if _, err := a.Call(t.Context(), "b", "wait", Args(time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		s := b.CommandStats()["wait"].Recent
		if s.Items != 4 || s.Work != time.Second || s.Response != 2500*time.Millisecond || s.Capacity != 1 {
			t.Errorf("four calls, one at a time: %+v", s)
		}
	})
}

func TestS3_16_OneCallAndNoneHaveNoRates(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b")
		handle(t, b, "now", answer(nil))
		if s := b.Recent(); s != (Recent{}) {
			t.Errorf("without calls: %+v", s)
		}
		wantValue(t, b, "b", "now", nil)
		if s := b.Recent(); s != (Recent{Items: 1}) {
			t.Errorf("after one that took no time: %+v", s)
		}
	})
}

func TestS3_16_MemoryIsFixed(t *testing.T) {
	var r recent
	for range 5000 {
		r.begin(time.Now())
		r.end(1, 1)
	}
	if cap(r.arrivals.kept) != recentItems || cap(r.ended.kept) != recentItems {
		t.Errorf("room for %d and %d items, want %d", cap(r.arrivals.kept), cap(r.ended.kept), recentItems)
	}
}
