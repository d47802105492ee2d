package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

// Two nodes that call each other at the same time make two links. Whatever the
// order in which the two learn of them, they keep the same one, and no call is
// lost or runs twice.
func TestS3_11_OneLinkSurvivesASimultaneousConnect(t *testing.T) {
	seeds := 200
	if *long {
		seeds = 1000
	}
	crossed := 0
	for seed := range uint64(seeds) {
		if elect(t, seed) {
			crossed++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d of %d meetings had two links", crossed, seeds)
	if crossed < seeds/4 {
		t.Error("too few meetings had two links for the test to say much")
	}
}

// elect has two nodes meet once, and tells whether there were two links.
func elect(t *testing.T, seed uint64) (crossed bool) {
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(seed, 11)) // a test's dice, seeded so that it repeats
		w := meshtest.NewWorld(seed)
		t.Cleanup(w.Close)
		m := &mesh{t: t, world: w, lan: w.LAN("home", "10.1.0.0/24"), key: crypto.GenerateKey(), known: map[string]*meshtest.Host{}}
		nodes := []*Node{m.start("a"), m.start("b")}
		time.Sleep(2 * time.Second) // both have heard of each other
		m.lan.SetLatency(time.Duration(dice.IntN(20)) * time.Millisecond)
		m.lan.SetJitter(time.Duration(1+dice.IntN(300)) * time.Millisecond) // of each piece, each way
		const calls = 8
		spread := 1 + dice.IntN(1000) // ms
		var counts [2]func() map[int64]int
		var wg sync.WaitGroup
		for i, n := range nodes {
			other := nodes[1-i]
			counts[i] = countRuns(t, other)
			for id := range int64(calls) {
				start := time.Duration(dice.IntN(spread)) * time.Millisecond
				wg.Go(func() {
					time.Sleep(start)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if _, err := n.Call(ctx, other.Name(), "count", Args(id)); err != nil {
						t.Errorf("call %d from %s: %v", id, n.Name(), err)
					}
				})
			}
		}
		wg.Wait()
		for i, count := range counts {
			for id := range int64(calls) {
				if runs := count()[id]; runs != 1 {
					t.Errorf("call %d to %s ran %d times", id, nodes[1-i].Name(), runs)
				}
			}
		}
		time.Sleep(2 * nodes[0].cfg.Timers.Drain)
		crossed = nodes[0].Stats().LinksDialed > 0 && nodes[1].Stats().LinksDialed > 0
		var links [2]*session
		for i, n := range nodes {
			all := n.roster.all()
			if len(all) != 1 || all[0].parting.Load() {
				t.Errorf("%s has %d links, want one: %s", n.Name(), len(all), describe(all))
				return
			}
			links[i] = all[0]
		}
		if links[0].link.Initiator() == links[1].link.Initiator() {
			t.Error("the two kept different links")
		}
		if crossed && !links[0].link.Initiator() {
			t.Error("of two links, that of the higher name stayed")
		}
	})
	return crossed
}

// countRuns registers a command that counts how often each call ran.
func countRuns(t *testing.T, n *Node) func() map[int64]int {
	t.Helper()
	var mu sync.Mutex
	runs := map[int64]int{}
	handle(t, n, "count", func(_ context.Context, c *commands.Call) (any, error) {
		id, err := commands.Arg[int64](c, 0)
		mu.Lock()
		defer mu.Unlock()
		runs[id]++
		return id, err
	})
	return func() map[int64]int {
		mu.Lock()
		defer mu.Unlock()
		return runs
	}
}

func describe(all []*session) (text string) {
	for _, s := range all {
		text += fmt.Sprintf("[%s, parting %t]", s.peer.Remote, s.parting.Load())
	}
	return text
}
