package rpc

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

func TestIdleLinkHasTwoGoroutines(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	before := runtime.NumGoroutine()
	e := connectTCP(t, a, b, Config{})
	mustCall(t, e.a, request("echo", make([]byte, 100<<10)))
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before+4 { // two at either end
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines for both ends of an idle link", runtime.NumGoroutine()-before)
		}
		runtime.Gosched()
	}
}

func TestSmallCallAllocatesLittle(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	e := connectTCP(t, a, b, Config{})
	args := request("echo", make([]byte, 64)).Args
	call := func() {
		req := Request{ID: wire.CallID{Counter: callCounter.Add(1)}, Path: "echo", Args: args}
		if _, err := e.a.Call(context.Background(), req); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		call()
	}
	if got := testing.AllocsPerRun(500, call); got > 16 {
		t.Fatalf("%v allocations per call, both sides together; want at most 16", got)
	}
}

// A PONG that waits behind a large message on a slow path is not late, since
// bytes arrive.
func TestArrivingBytesAreASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		suspected := make(chan struct{}, 1)
		req := request("x")
		req.Watcher = suspects(func() { suspected <- struct{}{} })
		ended := make(chan error, 1)
		go func() { _, err := c.Call(t.Context(), req); ended <- err }()
		time.Sleep(1200 * time.Millisecond)
		ev.next(wire.TypePing)
		for range 40 { // 20 s without its PONG
			time.Sleep(500 * time.Millisecond)
			ev.chunk(99, wire.ChunkReply, []byte{1})
		}
		select {
		case <-suspected:
			t.Fatal("suspected")
		case err := <-ended:
			t.Fatal(err)
		default:
		}
		time.Sleep(5 * time.Second)
		wantBroken(t, <-ended, true)
		<-suspected
	})
}

// Repeats need no place of a handler, so their number is bounded by itself.
func TestRepeatsOfOneCallAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{MaxPerPeer: 2, QueuePerPeer: -1})
		free := make(chan struct{})
		bob.handle(t, "hold", func(context.Context, *commands.Call) (any, error) { <-free; return 1, nil })
		ev, c := newEvil(t, bob, Config{})
		for number := uint64(1); number < 100; number += 2 {
			ev.post(wire.TypeCall, wire.AppendCall(nil, wire.Call{
				Number: number, Path: "hold", Flags: wire.CallRepeat, ID: wire.CallID{Counter: 7},
			}))
		}
		synctest.Wait()
		if got := c.Serving(); got != 8 {
			t.Errorf("%d calls are open, want 8", got)
		}
		body := wire.AppendCallBody(nil, wire.Call{Path: "hold", ID: wire.CallID{Counter: 7}})
		ev.chunk(101, wire.ChunkCall, body)
		for range 43 {
			ev.fail(commands.ResourceExhausted, commands.ExecutedMaybe)
		}
		close(free)
		for range 8 {
			ev.next(wire.TypeReply)
		}
		if s := bob.server.Stats(); s.Started != 1 {
			t.Errorf("started %d times", s.Started)
		}
	})
}

func TestR33_ChurnLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "hold", func(ctx context.Context, _ *commands.Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		var calls sync.WaitGroup
		for i := range 200 {
			e := connect(t, a, b, Config{})
			mustCall(t, e.a, request("echo"))
			calls.Go(func() { _, _ = e.a.Call(t.Context(), request("hold")) })
			synctest.Wait()
			switch i % 3 {
			case 0:
				e.netA.Close()
			case 1:
				e.netA.(*memory).stall(true)
				e.netB.(*memory).stall(true)
			case 2:
				e.a.Close(nil)
			}
		}
		calls.Wait()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		s := b.server.Stats()
		if s.Running != 0 || s.Ledger.Running != 0 || s.Ledger.Outcomes != 0 || s.Ledger.Bytes != 0 || s.Ledger.Callers != 1 {
			t.Fatalf("%+v", s)
		}
		if got := len(b.server.gate.lanes); got != 0 {
			t.Fatalf("%d peers have running calls", got)
		}
	})
}
