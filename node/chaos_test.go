package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/meshtest"
)

// TestCallsUnderRandomCuts makes many calls from many callers while LAN and
// relays fail at random, and keeps a ledger of what ran: no call is lost, none
// runs twice, none gets the answer of another. One in four is hedged, one in
// four is marked idempotent, one in four streams: a stream may break, and says
// so; its values are a beginning of what was yielded, each once, and all of
// them if it ended well.
func TestCallsUnderRandomCuts(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) { m.randomCuts(t, nil, func(*Config) {}) })
}

// TestLargeCallsUnderRandomCuts is the same for calls that travel in bulk frames.
func TestLargeCallsUnderRandomCuts(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		if s := m.randomCuts(t, make([]byte, 30<<10), withBulk).Stats(); s.BulkFramesOut < 500 {
			t.Errorf("only %d bulk frames", s.BulkFramesOut)
		}
	})
}

// randomCuts has the calls carry ballast, and returns the node that made them.
func (m *mesh) randomCuts(t *testing.T, ballast []byte, set func(*Config)) *Node {
	calls := 1000
	if *long {
		calls = 20_000
	}
	uplink := m.world.LAN("uplink", "10.9.0.0/24")
	relays := []*station{m.relay("one", uplink), m.relay("two", uplink)}
	ha, hb := m.world.Host("a", m.lan, uplink), m.world.Host("b", m.lan, uplink)
	both := func(c *Config) {
		c.Interfaces = []string{"10.1.0.0/24"}
		c.Relays = []string{relays[0].address(), relays[1].address()}
		c.Timers.RelayRetryMax = 4 * time.Second
		set(c)
	}
	a, b := m.startOn(ha, "a", both), m.startOn(hb, "b", both)
	l := newLedger(t, b)
	l.ballast = ballast
	noteStreams(t, b)
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	chaos.Go(func() { m.disturb(stop, ha, hb, relays) })
	l.makeCalls(a, calls, 64)
	close(stop)
	chaos.Wait()
	lost, doubled, wrong := l.verdict(calls)
	t.Logf("%d calls: %d lost, %d doubled, %d wrong; %d retries, %d second paths; streams: %d whole, %d cut",
		calls, lost, doubled, wrong, a.Stats().Retries, a.Stats().SecondPaths, l.whole, l.cut)
	if lost+doubled+wrong != 0 {
		t.Error("calls were lost, doubled or answered wrongly")
	}
	if l.whole == 0 || l.cut == 0 || a.Stats().SecondPaths == 0 {
		t.Errorf("%d streams ended well, %d broke, %d calls took a second path; want some of each", l.whole, l.cut, a.Stats().SecondPaths)
	}
	if a.Stats().Retries+a.Stats().SecondPaths == 0 {
		t.Error("no call ever met a broken path: the disturbance met nothing")
	}
	return a
}

// disturb breaks one thing after another, never all ways at once for long.
func (m *mesh) disturb(stop <-chan struct{}, ha, hb *meshtest.Host, relays []*station) {
	random := rand.New(rand.NewPCG(1, 2)) // a test's dice, seeded so that it repeats
	pause := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-stop:
			return false
		}
	}
	for pause(time.Duration(50+random.IntN(400)) * time.Millisecond) {
		r := relays[random.IntN(len(relays))]
		switch random.IntN(5) {
		case 0:
			m.world.Reset(ha, hb)
		case 1:
			m.world.Reset(ha, r.host)
		case 2: // the LAN falls silent and comes back
			hb.RemoveInterface(m.lan)
			pause(time.Duration(1+random.IntN(4)) * time.Second)
			hb.AddInterface(m.lan)
		case 3: // a relay restarts
			r.down()
			pause(time.Duration(1+random.IntN(3)) * time.Second)
			r.up()
		case 4: // a relay falls silent for one of the two
			m.world.Partition(hb, r.host)
			pause(time.Duration(1+random.IntN(4)) * time.Second)
			m.world.Heal(hb, r.host)
		}
	}
}

// ledger counts what ran at the callee and what came back to the callers.
type ledger struct {
	t    *testing.T
	ran  func(id int64) int
	mu   sync.Mutex
	lost []error
	bad  int

	ballast []byte // goes with each call that is no stream

	whole, cut int // streams that ended well, and that said that they broke
}

func newLedger(t *testing.T, n *Node) *ledger { return &ledger{t: t, ran: ledgerOf(t, n)} }

func (l *ledger) makeCalls(n *Node, calls, callers int) {
	ids := make(chan int64)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for id := range ids {
				l.one(n, id)
			}
		})
	}
	for id := range int64(calls) {
		ids <- id
	}
	close(ids)
	wg.Wait()
}

func (l *ledger) one(n *Node, id int64) {
	time.Sleep(time.Duration(id%7) * 100 * time.Millisecond) // spread over the disturbances
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	var got int64
	var err error
	switch id % 4 {
	case 1:
		got, err = l.call(ctx, n, id, Hedge())
	case 2:
		got, err = l.call(ctx, n, id, Idempotent())
	case 3:
		l.stream(ctx, n, id)
		return
	default:
		got, err = l.call(ctx, n, id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lost = append(l.lost, fmt.Errorf("call %d: %w", id, err))
	} else if got != id {
		l.bad++
	}
}

func (l *ledger) call(ctx context.Context, n *Node, id int64, opts ...CallOption) (got int64, err error) {
	reply, err := n.Call(ctx, "b", "note", append(opts, Args(id, l.ballast))...)
	if err != nil {
		return 0, err
	}
	return got, reply.Decode(&got)
}

// streamed is how many values each stream yields, over some time.
const streamed = 20

// noteStreams registers the streaming sister of "note".
func noteStreams(t *testing.T, n *Node) {
	t.Helper()
	type in struct {
		ID int64 `json:"id"`
	}
	err := commands.ServerStream(n.Commands(), "notes", func(ctx context.Context, in in) iter.Seq2[int64, error] {
		return func(yield func(int64, error) bool) {
			for i := range int64(streamed) {
				if !yield(in.ID*streamed+i, nil) || !sleep(ctx, 10*time.Millisecond) {
					return
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stream checks one stream: it is not lost if it ends well or says that it
// broke.
func (l *ledger) stream(ctx context.Context, n *Node, id int64) {
	next := id * streamed
	var failed error
	for v, err := range InvokeStream[int64](ctx, n, "b", "notes", map[string]any{"id": id}) {
		if failed = err; err != nil {
			break
		}
		if v != next {
			l.mu.Lock()
			l.bad++
			l.mu.Unlock()
			return
		}
		next++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var e *commands.Error
	switch {
	case failed == nil && next == (id+1)*streamed:
		l.whole++
	case errors.As(failed, &e) && e.Code == commands.Unavailable && e.Executed != commands.ExecutedNo:
		l.cut++
	default:
		l.lost = append(l.lost, fmt.Errorf("stream %d after %d values: %w", id, next-id*streamed, failed))
	}
}

func (l *ledger) verdict(calls int) (lost, doubled, wrong int) {
	for id := range int64(calls) {
		if l.ran(id) > 1 {
			doubled++
		}
	}
	for i, err := range l.lost {
		if i < 5 {
			l.t.Log(err)
		}
	}
	return len(l.lost), doubled, l.bad
}
