package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// hub is a node and the peers that have dialled it, which are in another
// process and named p0, p1 and so on.
type hub struct {
	node  *Node
	peers int

	others *apart
}

// startHub starts a node without peers on the machine's own loopback interface.
func startHub(tb testing.TB) *hub {
	tb.Helper()
	n, err := New(Config{
		Name: "hub", Network: "scale", Keys: crypto.Ring(crypto.GenerateKey()), Listen: "127.0.0.1:0", NoLAN: true,
		Limits: Limits{Links: 4096},
	})
	if err != nil {
		tb.Fatal(err)
	}
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := n.Commands().Handle("mirror", mirror); err != nil {
		tb.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	})
	return &hub{node: n}
}

// join has that many peers dial the hub and returns when all links are up.
func (h *hub) join(tb testing.TB, peers int) {
	tb.Helper()
	h.peers = peers
	h.others = startApart(tb, nil, "peers", h.node.cfg.Keys.Active().Reveal(), h.node.Addr().String(), strconv.Itoa(peers))
	h.others.await(tb, "ready")
}

// tell has every peer make calls of so many bytes to the hub, 64 peers at once.
func (h *hub) tell(tb testing.TB, callsOfEach, bytes int) {
	tb.Helper()
	fmt.Fprintln(h.others.in, callsOfEach, bytes) // an error shows in the answer
	h.others.await(tb, "done")
}

// footprint is what a node's process holds at a moment.
type footprint struct {
	goroutines int
	memory     int64 // bytes of heap and stacks in use
	resident   int64 // bytes, as the system sees it; 0 where it does not tell
}

// look takes the footprint once what is no longer used has been collected.
func look() footprint {
	for range 3 { // pools are emptied by two collections, stacks shrink in the next
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{goroutines: runtime.NumGoroutine(), memory: int64(m.HeapAlloc + m.StackInuse), resident: resident()}
}

// resident reads the resident memory of this process where there is /proc.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// perPeer is the mean of what each peer added.
func (f footprint) perPeer(before footprint, peers int) (goroutines, memory, resident float64) {
	each := func(now, then int64) float64 { return float64(now-then) / float64(peers) }
	return each(int64(f.goroutines), int64(before.goroutines)), each(f.memory, before.memory), each(f.resident, before.resident)
}

// hostPeers is the other process of a hub. It ends with its input.
func hostPeers(order []string) error {
	if len(order) != 3 {
		return fmt.Errorf("%d words of order", len(order))
	}
	key, err := crypto.ParseKey(order[0])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(order[2])
	if err != nil {
		return err
	}
	ctx := context.Background()
	peers := make([]*Node, count)
	defer func() { _ = eachPeer(peers, func(p *Node) error { return p.Shutdown(ctx) }) }()
	var starts errgroup.Group
	starts.SetLimit(16)
	for i := range peers {
		starts.Go(func() (err error) {
			peers[i], err = startPeer(ctx, fmt.Sprintf("p%d", i), key, order[1])
			return err
		})
	}
	if err := starts.Wait(); err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("done") {
		var calls, bytes int
		if _, err := fmt.Sscan(lines.Text(), &calls, &bytes); err != nil {
			return err
		}
		payload := make([]byte, bytes)
		err := eachPeer(peers, func(p *Node) error {
			patient, cancel := context.WithTimeout(ctx, time.Minute) // a race build takes seconds for 64 MiB at once
			defer cancel()
			for range calls {
				if _, err := p.Call(patient, "hub", "mirror", Args(payload)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startPeer starts one peer and returns when it has called the hub.
func startPeer(ctx context.Context, name string, key crypto.Key, hub string) (*Node, error) {
	n, err := New(Config{Name: name, Network: "scale", Keys: crypto.Ring(key), Peers: []string{hub}, NoLAN: true})
	if err != nil {
		return nil, err
	}
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := errors.Join(n.Commands().Handle("mirror", mirror), n.Start(ctx)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err = n.Call(ctx, "hub", "mirror", Args([]byte(name)))
	return n, err
}

// eachPeer does something with all peers, 64 at once.
func eachPeer(peers []*Node, do func(*Node) error) error {
	var work errgroup.Group
	work.SetLimit(64)
	for _, p := range peers {
		if p != nil {
			work.Go(func() error { return do(p) })
		}
	}
	return work.Wait()
}
