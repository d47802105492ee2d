package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// BenchmarkFlood measures what a member that calls as fast as it can does to
// the others: calls of three members to one node, one every 2 ms from
// each, without and with a flooder beside them. p99-ratio is the 99th
// percentile with the flooder over that without; callers=0 is a flooder that
// does nothing, whose ratio is the machine's own noise. The flooder's process is
// nice where it can be, as one on another machine would be.
func BenchmarkFlood(b *testing.B) {
	for _, command := range []string{"cheap", "slow"} {
		for _, callers := range []int{0, 64, 512, 4096} {
			b.Run(fmt.Sprintf("%s/callers=%d", command, callers), func(b *testing.B) { benchmarkFlood(b, command, callers) })
		}
	}
}

func benchmarkFlood(b *testing.B, command string, callers int) {
	nodes := onLoopback(b, "victim", "m1", "m2", "m3")
	victim := nodes[0]
	for path, h := range map[string]commands.Handler{
		"cheap": func(context.Context, *commands.Call) (any, error) { return nil, nil },
		"slow": func(context.Context, *commands.Call) (any, error) {
			time.Sleep(time.Millisecond)
			return nil, nil
		},
	} {
		if err := victim.Commands().Handle(path, h); err != nil {
			b.Fatal(err)
		}
	}
	measureCalls(b, nodes[1:])
	var quiet, flooded []time.Duration
	var served, shed uint64
	var took time.Duration
	toggle := startFlooder(b, victim, command, callers)
	for b.Loop() { // quiet and flooded in turn, so that the machine's own moods count for both
		quiet = append(quiet, measureCalls(b, nodes[1:])...)
		toggle()
		before, start := victim.Stats(), time.Now()
		flooded = append(flooded, measureCalls(b, nodes[1:])...)
		after := victim.Stats()
		took += time.Since(start)
		served += after.Served - before.Served
		shed += after.Overloaded - before.Overloaded
		toggle()
	}
	slices.Sort(quiet)
	slices.Sort(flooded)
	micro := func(d time.Duration) float64 { return d.Seconds() * 1e6 }
	b.ReportMetric(micro(percentile(quiet, 50)), "quiet-p50-µs")
	b.ReportMetric(micro(percentile(quiet, 99)), "quiet-p99-µs")
	b.ReportMetric(micro(percentile(flooded, 50)), "flooded-p50-µs")
	b.ReportMetric(micro(percentile(flooded, 99)), "flooded-p99-µs")
	b.ReportMetric(micro(percentile(flooded, 99))/micro(percentile(quiet, 99)), "p99-ratio")
	b.ReportMetric(float64(served)/took.Seconds(), "served/s")
	b.ReportMetric(float64(shed)/took.Seconds(), "shed/s")
}

const (
	floodRounds = 500                  // calls of a member in one measurement
	floodPause  = 2 * time.Millisecond // of a member between them
)

// measureCalls calls the victim from each member, now and then as members do,
// and returns how long the calls took.
func measureCalls(b *testing.B, members []*Node) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() {
			took := make([]time.Duration, floodRounds)
			for i := range took {
				time.Sleep(floodPause)
				start := time.Now()
				if _, err := m.Call(context.Background(), "victim", "cheap"); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(start)
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return all
}

func percentile(sorted []time.Duration, p int) time.Duration { return sorted[(len(sorted)-1)*p/100] }

// startFlooder runs this binary as a flooder until the benchmark ends; toggle
// begins and ends its flood.
func startFlooder(b *testing.B, victim *Node, command string, callers int) (toggle func()) {
	var prefix []string
	if nice, err := exec.LookPath("nice"); err == nil {
		prefix = []string{nice, "-n", "19"}
	}
	other := startApart(b, prefix, "flood", victim.cfg.Keys.Active().Reveal(), victim.Addr().String(), command, strconv.Itoa(callers))
	return func() {
		_, _ = io.WriteString(other.in, "\n") // an error shows in the answer
		other.await(b, "done")
	}
}

// flooder is the other process of BenchmarkFlood. It ends with its input.
func flooder(order []string) error {
	if len(order) != 4 {
		return fmt.Errorf("%d words of order", len(order))
	}
	ctx := context.Background()
	key, err := crypto.ParseKey(order[0])
	if err != nil {
		return err
	}
	callers, err := strconv.Atoi(order[3])
	if err != nil {
		return err
	}
	n, err := New(Config{Name: "flooder", Network: "loopback", Keys: crypto.Ring(key), Peers: []string{order[1]}, NoLAN: true})
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	defer n.Shutdown(ctx)
	if _, err := n.Call(ctx, "victim", order[2]); err != nil { // the link is up before it is timed
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() { // on
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() { flood(ctx, n, order[2]) })
		}
		fmt.Println("done")
		lines.Scan() // off
		cancel()
		wg.Wait()
		fmt.Println("done")
	}
	return lines.Err()
}

// flood calls without a pause, also when it is refused.
func flood(ctx context.Context, n *Node, command string) {
	for ctx.Err() == nil {
		_, err := n.Call(ctx, "victim", command)
		if e := (&commands.Error{}); errors.As(err, &e) && e.Code != commands.ResourceExhausted && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "the flooder was told:", err)
		}
	}
}
