package rpc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// A gate with two places, of which each peer may have both, serves the peers in
// turn and each peer in the order of its calls.
func TestGateTakesPeersInTurn(t *testing.T) {
	var order []string
	var running []*ticket
	names := map[*ticket]string{}
	g := newGate(gateLimits{peerRuns: 2, nodeRuns: 2, peerWaits: 9, nodeWaits: 99, peerBytes: 1 << 20, nodeBytes: 1 << 20}, func(k *ticket) {
		order = append(order, names[k])
		running = append(running, k)
	})
	enter := func(peer byte, name string) {
		k := &ticket{}
		names[k] = name
		l := g.attach(ledger.ByInstance(crypto.InstanceID{peer}))
		defer g.detach(l)
		switch a, _ := g.reserve(l, k, 1); a {
		case admitted:
			g.start(k)
		case queued:
			g.wait(k)
		default:
			t.Fatalf("%s: %v", name, a)
		}
	}
	for _, name := range strings.Fields("a1 a2 a3 a4 a5 b1 b2 c1 b3") {
		enter(name[0], name)
	}
	for len(running) > 0 {
		k := running[0]
		running = running[1:]
		g.leave(k)
	}
	if got := strings.Join(order, " "); got != "a1 a2 b1 c1 a3 b2 a4 b3 a5" {
		t.Errorf("began in the order %s", got)
	}
	g.open.Wait()
	if g.running != 0 || g.waiting != 0 || g.bytes != 0 || len(g.lanes) != 0 || g.turns.first != nil {
		t.Errorf("left behind: %d run, %d wait, %d bytes, %d lanes", g.running, g.waiting, g.bytes, len(g.lanes))
	}
}

// 10,000 calls of one peer wait when another peer calls: it is next in turn.
func TestAFloodDelaysOthersByOneRoundOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood, places = 10_000, 8
		bob := newParty(t, "bob", ServerConfig{MaxPerNode: places, QueuePerPeer: flood, QueuePerNode: 2 * flood})
		bob.handle(t, "work", func(context.Context, *commands.Call) (any, error) { time.Sleep(10 * time.Millisecond); return nil, nil })
		mallory := connect(t, newParty(t, "mallory", ServerConfig{}), bob, Config{}).a
		alice := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{}).a
		ctx, cancel := context.WithCancel(t.Context())
		var flooding sync.WaitGroup
		for range flood {
			flooding.Go(func() { _, _ = mallory.Call(ctx, request("work")) })
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != places || s.Waiting != flood-places {
			t.Fatalf("%d run, %d wait", s.Running, s.Waiting)
		}
		for range 20 {
			began := time.Now()
			mustCall(t, alice, request("work"))
			if took := time.Since(began); took > 20*time.Millisecond { // a round, and its own
				t.Fatalf("took %v beside the flood", took)
			}
		}
		cancel()
		flooding.Wait()
		synctest.Wait()
		if s := bob.server.Stats(); s.Waiting != 0 || s.Overloaded != 0 || s.Expired == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// heldUp is a party whose command "hold" notes its first argument and blocks
// until free is closed.
func heldUp(t *testing.T, cfg ServerConfig) (bob *party, began func() []string, free chan struct{}) {
	t.Helper()
	bob, free = newParty(t, "bob", cfg), make(chan struct{})
	var mu sync.Mutex
	var names []string
	bob.handle(t, "hold", func(_ context.Context, c *commands.Call) (any, error) {
		name, err := commands.Arg[string](c, 0)
		mu.Lock()
		names = append(names, name)
		mu.Unlock()
		<-free
		return name, err
	})
	return bob, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(names) }, free
}

// begin makes calls to "hold" that go on, one after the other.
func beginCalls(t *testing.T, c *Conn, names ...string) (results chan error) {
	results = make(chan error, len(names))
	for _, name := range names {
		go func() { _, err := c.Call(t.Context(), request("hold", name)); results <- err }()
		synctest.Wait()
	}
	return results
}

func TestQueueIsBoundedPerPeerAndPerNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, began, free := heldUp(t, ServerConfig{MaxPerPeer: 2, QueuePerPeer: 3, QueuePerNode: 4})
		a := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{}).a
		c := connect(t, newParty(t, "carol", ServerConfig{}), bob, Config{}).a
		calls := beginCalls(t, a, "1", "2", "3", "4", "5")
		_, err := a.Call(t.Context(), request("hold", "6"))
		fail := wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
		if fail.RetryAfter < leastPause || fail.RetryAfter > 2*mostPause || fail.Where != commands.WhereQueue {
			t.Errorf("retry after %v, where %v", fail.RetryAfter, fail.Where)
		}
		others := beginCalls(t, c, "7", "8", "9") // 9 is the fourth that waits
		_, err = c.Call(t.Context(), request("hold", "10"))
		wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
		s := bob.server.Stats()
		if s.Running != 4 || s.Waiting != 4 || s.PeerFull != 1 || s.NodeFull != 1 || s.Overloaded != 2 || s.Queued != 4 {
			t.Errorf("%+v", s)
		}
		close(free)
		for range 5 {
			if err := <-calls; err != nil {
				t.Error(err)
			}
		}
		for range 3 {
			if err := <-others; err != nil {
				t.Error(err)
			}
		}
		if got := began(); len(got) != 8 {
			t.Errorf("began: %v", got)
		}
		synctest.Wait() // an answer may be there before its handler's place is free
		if s := bob.server.Stats(); s.Running+s.Waiting != 0 || s.ArgumentBytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestArgumentBytesAreBoundedPerPeerAndPerNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, began, free := heldUp(t, ServerConfig{BytesPerPeer: 30_000, BytesPerNode: 45_000})
		a := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{}).a
		c := connect(t, newParty(t, "carol", ServerConfig{}), bob, Config{}).a
		big := strings.Repeat("x", 10_000)
		state := func(running, waiting int) {
			t.Helper()
			s := bob.server.Stats()
			if s.Running != running || s.Waiting != waiting || s.ArgumentBytes < int64(running+waiting)*10_000 {
				t.Errorf("%+v", s)
			}
		}
		refused := func(c *Conn, arg string) {
			t.Helper()
			_, err := c.Call(t.Context(), request("hold", arg))
			wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
		}
		calls := beginCalls(t, a, big, big)
		state(2, 0)
		more := beginCalls(t, a, big, big)
		state(2, 2) // a third would be too much for the peer
		refused(a, big)
		others := beginCalls(t, c, big, big, big)
		state(4, 3) // and for the node
		refused(c, strings.Repeat("x", 20_000))
		if s := bob.server.Stats(); s.PeerHeavy != 1 || s.NodeHeavy != 1 || s.ArgumentBytes > 2*45_000 {
			t.Errorf("%+v", s)
		}
		close(free)
		if err := errors.Join(<-calls, <-calls, <-more, <-more, <-others, <-others, <-others); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		state(0, 0)
		if got := began(); len(got) != 7 {
			t.Errorf("%d calls began", len(got))
		}
		mustCall(t, a, request("hold", strings.Repeat("x", 100_000))) // alone, it may be larger
	})
}

func TestWhoWaitsForBytesIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, _, free := heldUp(t, ServerConfig{BytesPerPeer: 100_000, BytesPerNode: 30_000})
		a := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{}).a
		c := connect(t, newParty(t, "carol", ServerConfig{}), bob, Config{}).a
		first := beginCalls(t, a, strings.Repeat("1", 14_000))
		heavy := beginCalls(t, a, strings.Repeat("2", 14_000), strings.Repeat("3", 14_000))
		light := beginCalls(t, c, "4")
		if s := bob.server.Stats(); s.Running != 2 || s.Waiting != 2 {
			t.Errorf("%+v", s)
		}
		free <- struct{}{} // one of the two that run ends
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 3 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		close(free)
		if err := errors.Join(<-first, <-heavy, <-heavy, <-light); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAQueuedCallEndsUnstarted(t *testing.T) {
	one := ServerConfig{MaxPerPeer: 1, Ledger: ledger.Limits{Keep: time.Second}}
	call := func(ev *evil, number uint64, flags uint8, remaining time.Duration) {
		args, _ := commands.EncodeArgs([]any{"x"})
		ev.post(wire.TypeCall, wire.AppendCall(nil, wire.Call{
			Number: number, Path: "hold", Flags: flags, Remaining: remaining, Args: args,
			ID: wire.CallID{Caller: [8]byte{9}, Counter: number},
		}))
	}
	for name, test := range map[string]struct {
		remaining time.Duration
		end       func(t *testing.T, ev *evil, bob *party)
	}{
		"by its deadline": {time.Second, func(t *testing.T, ev *evil, _ *party) {
			ev.fail(commands.DeadlineExceeded, commands.ExecutedNo)
		}},
		"by a cancel": {0, func(_ *testing.T, ev *evil, _ *party) {
			ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 3, Mode: wire.CancelSilent}))
		}},
		"by the loss of its link": {0, func(_ *testing.T, ev *evil, _ *party) {
			ev.link.Close(nil)
			time.Sleep(16 * time.Second) // the grace
		}},
		"by the end of the server": {0, func(t *testing.T, ev *evil, bob *party) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = bob.server.Close(ctx) // the one that runs ignores its context
			ev.fail(commands.Cancelled, commands.ExecutedNo)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bob, began, free := heldUp(t, one)
				ev, _ := newEvil(t, bob, Config{})
				call(ev, 1, 0, 0)
				call(ev, 3, 0, test.remaining)
				synctest.Wait()
				if s := bob.server.Stats(); s.Running != 1 || s.Waiting != 1 {
					t.Fatalf("%+v", s)
				}
				test.end(t, ev, bob)
				synctest.Wait()
				if s := bob.server.Stats(); s.Waiting != 0 || s.Expired != 1 {
					t.Errorf("%+v", s)
				}
				close(free)
				synctest.Wait()
				if got := began(); len(got) != 1 {
					t.Errorf("%d calls began", len(got))
				}
			})
		})
	}
}

// A call is begun for the ledger before it waits, so a repeat over any link
// finds it, and it runs once.
func TestARepeatOfAQueuedCallAttaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, began, free := heldUp(t, ServerConfig{MaxPerPeer: 1})
		alice := newParty(t, "alice", ServerConfig{})
		first, second := connect(t, alice, bob, Config{}).a, connect(t, alice, bob, Config{}).a
		calls := beginCalls(t, first, "runs")
		waits := request("hold", "waits")
		results := make(chan []byte, 2)
		go func() { results <- mustCall(t, first, waits) }()
		synctest.Wait()
		waits.Repeat = true
		go func() { results <- mustCall(t, second, waits) }()
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 1 || s.Waiting != 1 || s.Repeats != 1 {
			t.Errorf("%+v", s)
		}
		close(free)
		if a, b := <-results, <-results; !bytes.Equal(a, b) {
			t.Errorf("answers % x and % x", a, b)
		}
		if err := <-calls; err != nil {
			t.Error(err)
		}
		if got := began(); !slices.Equal(got, []string{"runs", "waits"}) {
			t.Errorf("began: %v", got)
		}
	})
}

// A full node still answers what its ledger knows.
func TestAFullNodeKnowsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, began, free := heldUp(t, ServerConfig{MaxPerPeer: 1, QueuePerPeer: -1})
		alice := newParty(t, "alice", ServerConfig{})
		first, second := connect(t, alice, bob, Config{}).a, connect(t, alice, bob, Config{}).a
		req := request("hold", "once")
		results := make(chan []byte, 2)
		go func() { results <- mustCall(t, first, req) }()
		synctest.Wait()
		req.Repeat = true
		go func() { results <- mustCall(t, second, req) }()
		synctest.Wait()
		close(free)
		if a, b := <-results, <-results; !bytes.Equal(a, b) || len(began()) != 1 {
			t.Errorf("answers % x and % x, began %v", a, b, began())
		}
	})
}

func TestQueuedCallsRunWhenTheLinkParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, _, free := heldUp(t, ServerConfig{MaxPerPeer: 1})
		e := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{})
		calls := beginCalls(t, e.a, "1", "2", "3")
		parted := make(chan error, 1)
		go func() { parted <- e.b.Bye(t.Context(), wire.Bye{Code: wire.ByeRebooting}) }()
		synctest.Wait()
		close(free)
		if err := errors.Join(<-calls, <-calls, <-calls, <-parted); err != nil {
			t.Error(err)
		}
	})
}

// A member that calls on while it is refused is read with pauses, and its
// PING is answered all the same.
func TestAFlooderIsSlowedAndStillAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, _, free := heldUp(t, ServerConfig{MaxPerPeer: 1, QueuePerPeer: -1})
		ev, _ := newEvil(t, bob, Config{})
		const flood = 3000
		began := time.Now()
		for number := uint64(1); number < 2*flood; number += 2 {
			ev.call(number, "hold", 0)
		}
		ev.post(wire.TypePing, make([]byte, 8))
		ev.next(wire.TypePong)
		if took := time.Since(began); took == 0 || took > time.Second {
			t.Errorf("the PONG took %v", took)
		}
		s := bob.server.Stats()
		if s.Overloaded != flood-1 || s.PeerFull != flood-1 || s.Slowed != (flood-1)/refusalRun {
			t.Errorf("%+v", s)
		}
		close(free)
	})
}

// A peer that keeps many calls under way lets others go first.
func TestACrowdIsPacedOnlyBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, _, free := heldUp(t, ServerConfig{})
		a := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{}).a
		c := connect(t, newParty(t, "carol", ServerConfig{}), bob, Config{}).a
		time.Sleep(2 * crowdTime)
		mustCall(t, a, request("echo"))
		time.Sleep(2 * crowdTime)
		many := slices.Repeat([]string{"x"}, 200)
		calls := beginCalls(t, a, many...)
		if s := bob.server.Stats(); s.Paced != 0 {
			t.Errorf("alone it was paced %d times", s.Paced)
		}
		mustCall(t, c, request("echo"))
		more := beginCalls(t, a, many...)
		close(free)
		for range many {
			if err := errors.Join(<-calls, <-more); err != nil {
				t.Fatal(err)
			}
		}
		if s := bob.server.Stats(); s.Paced == 0 {
			t.Error("it was not paced beside others")
		}
	})
}

// A call that is refused for load is neither copied nor decoded, and no
// goroutine is made for it.
func TestSheddingAllocatesLittle(t *testing.T) {
	c, body := fullConn(t)
	number := uint64(1)
	shed := func() {
		number += 2
		c.refusals = 0 // no pauses
		if !c.shed(number, body) {
			t.Fatal("it was not refused")
		}
	}
	if got := testing.AllocsPerRun(500, shed); got > 3 {
		t.Errorf("%v allocations to refuse a call of %d bytes", got, len(body))
	}
}

func BenchmarkShed(b *testing.B) {
	c, body := fullConn(b)
	number := uint64(1)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		number += 2
		c.refusals = 0
		if number%1024 == 1 {
			_ = c.link.Drain(b.Context()) // an error would show in shed
		}
		if !c.shed(number, body) {
			b.Fatal("it was not refused")
		}
	}
}

// fullConn is the end of a link at a server that has no place left, and a CALL
// of 8 KiB.
func fullConn(t testing.TB) (c *Conn, body []byte) {
	bob := newParty(t, "bob", ServerConfig{MaxPerPeer: 1, QueuePerPeer: -1})
	free := make(chan struct{})
	began := make(chan struct{})
	bob.handle(t, "hold", func(context.Context, *commands.Call) (any, error) { close(began); <-free; return nil, nil })
	e := connectTCP(t, newParty(t, "alice", ServerConfig{}), bob, Config{})
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = e.a.Call(context.Background(), request("hold")) }()
	t.Cleanup(func() { close(free); <-ended })
	<-began
	args, err := commands.EncodeArgs([]any{make([]byte, 8<<10)})
	if err != nil {
		t.Fatal(err)
	}
	return e.b, wire.AppendCallBody(nil, wire.Call{ID: wire.CallID{Caller: [8]byte{7}, Counter: 1}, Path: "hold", Args: args})
}
