package rpc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// chunks counts the chunk bytes that have come, by call number.
func (ev *evil) chunks() map[uint64]int {
	ev.t.Helper()
	synctest.Wait()
	got := make(map[uint64]int)
	for len(ev.got) > 0 {
		if m := <-ev.got; m.Type == wire.TypeChunk {
			chunk, err := wire.ParseChunk(m.Body)
			if err != nil {
				ev.t.Fatal(err)
			}
			got[chunk.Number] += len(chunk.Bytes)
		}
	}
	return got
}

func (ev *evil) grant(number uint64, bytes uint32) {
	ev.t.Helper()
	ev.post(wire.TypeCredit, wire.AppendCredit(nil, wire.Credit{Number: number, Bytes: bytes}))
}

func TestSenderKeepsToBothCreditsAndSharesTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const link = 64 << 10
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "large", func(context.Context, *commands.Call) (any, error) { return make([]byte, 1<<20), nil })
		ev, _ := newEvil(t, bob, Config{LinkCredit: link})
		ev.call(1, "large", 0)
		synctest.Wait() // credit is for messages that have begun
		ev.grant(1, 1<<20)
		if got := ev.chunks(); got[1] != link {
			t.Fatalf("%v bytes without link credit, want %d", got, link)
		}
		ev.call(3, "large", 0)
		synctest.Wait() // credit is for messages that have begun
		ev.grant(3, 1<<20)
		if got := ev.chunks(); len(got) != 0 {
			t.Fatalf("%v bytes without link credit, want none", got)
		}
		// One grant feeds both, although nothing comes after it.
		ev.grant(0, link)
		if got := ev.chunks(); got[1]+got[3] != link || got[1] < wire.MaxChunk || got[3] < wire.MaxChunk {
			t.Fatalf("%v bytes for a grant of %d", got, link)
		}
		// The one who waits longest may be cancelled; the other goes on.
		ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 1, Mode: wire.CancelSilent}))
		ev.grant(0, link)
		if got := ev.chunks(); got[1] != 0 && got[3] == 0 || got[1]+got[3] > link || got[3] == 0 {
			t.Fatalf("%v bytes after CANCEL", got)
		}
		ev.grant(0, 2<<20)
		if got := ev.chunks(); got[1] != 0 || got[3] < wire.CallCredit {
			t.Fatalf("%v bytes after CANCEL and much credit", got)
		}
	})
}

func TestAssemblyStopsAtTheLargestMessage(t *testing.T) {
	s := NewServer(ServerConfig{AssemblyBytes: 1 << 40})
	a := &assembly{conn: &Conn{server: s}, came: &pieces{size: wire.MaxBig - 1}}
	if !a.room(1) {
		t.Fatal("a message of the largest size is refused")
	}
	if a.room(2) {
		t.Fatal("a larger one is taken")
	}
}

// A CANCEL may come while a large call is read, before it has begun.
func TestCallCancelledBeforeItBeginsIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "hold", func(ctx context.Context, _ *commands.Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		ev, c := newEvil(t, bob, Config{})
		c.mu.Lock()
		sv, err := c.open(1)
		c.drop(sv)
		c.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.serve(sv, wire.AppendCallBody(nil, wire.Call{Path: "hold"}), false)
		synctest.Wait()
		if got := bob.server.Stats().Running; got != 0 {
			t.Fatal("the handler runs on, and nobody is interested")
		}
		sv.Deliver(nil, ledger.Outcome{Body: []byte{1}}) // too late
		synctest.Wait()
		if len(ev.got) != 0 {
			t.Fatalf("a cancelled call was answered with %v", (<-ev.got).Type)
		}
	})
}

// Closing before the peer has read the last answers could lose them.
func TestS3_12_ByeClosesOnlyAfterThePeerHasReadTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "slow", func(context.Context, *commands.Call) (any, error) { time.Sleep(time.Second); return 1, nil })
		e := connect(t, a, b, Config{})
		ended := make(chan error, 1)
		go func() { _, err := e.a.Call(t.Context(), request("slow")); ended <- err }()
		synctest.Wait()
		parted := make(chan error, 1)
		go func() { parted <- e.b.Bye(t.Context(), wire.Bye{}) }()
		synctest.Wait()
		e.netA.(*memory).stall(true)
		time.Sleep(3 * time.Second) // the answer is on its way meanwhile
		e.netA.(*memory).stall(false)
		if err := <-ended; err != nil {
			t.Errorf("the answer was lost: %v", err)
		}
		if err := <-parted; err != nil {
			t.Error(err)
		}
	})
}

func TestPeerThatFallsSilentDoesNotHoldUpTheParting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		begins(t, e, b, nil)
		e.netA.(*memory).stall(true)
		e.netB.(*memory).stall(true)
		began := time.Now()
		if err := e.b.Bye(t.Context(), wire.Bye{}); err == nil {
			t.Error("parted with a peer that did not answer")
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
