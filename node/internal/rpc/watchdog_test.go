package rpc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// suspects is a Watcher that lets the call go on.
type suspects func()

func (s suspects) Suspect(func()) { s() }

// begins is a call that stays pending until the test ends its link.
func begins(t *testing.T, e ends, b *party, w Watcher) chan error {
	t.Helper()
	started := make(chan struct{})
	b.handle(t, "hold", func(ctx context.Context, _ *commands.Call) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ended := make(chan error, 1)
	go func() {
		req := request("hold")
		req.Watcher = w
		_, err := e.a.Call(context.Background(), req)
		ended <- err
	}()
	<-started
	return ended
}

func TestIdleLinkIsPingedAfter30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if e.a.RTT() != 0 || e.b.RTT() != 0 {
			t.Fatal("a PING went out too early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if e.a.RTT() == 0 && e.b.RTT() == 0 { // the PING of one keeps the other from it
			t.Fatal("no PING after 30 s of silence")
		}
		time.Sleep(24 * time.Hour)
		if err := e.a.Err(); err != nil {
			t.Fatalf("an idle link ended: %v", err)
		}
	})
}

func TestSilentPeerIsSuspectAfterOneSecondAndDeadAfterFour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		began := time.Now()
		suspected := make(chan time.Duration, 9)
		ended := begins(t, e, b, suspects(func() { suspected <- time.Since(began) }))
		e.netA.(*memory).stall(true)
		err := <-ended
		wantBroken(t, err, true)
		if !errors.Is(err, ErrDead) {
			t.Fatalf("cause %v", err)
		}
		// The PING goes out 1 s after the last byte.
		if took := time.Since(began); took < 5*time.Second || took > 5100*time.Millisecond {
			t.Errorf("dead after %v, want 5 s", took)
		}
		if at := <-suspected; len(suspected) != 0 || at < 2*time.Second || at > 2100*time.Millisecond {
			t.Errorf("suspected at %v and %d times more, want once at 2 s", at, len(suspected))
		}
	})
}

func TestLatePongIsNoDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		var told atomic.Int32
		ended := begins(t, e, b, suspects(func() { told.Add(1) }))
		for range 3 {
			e.netA.(*memory).stall(true)
			time.Sleep(3900 * time.Millisecond)
			e.netA.(*memory).stall(false)
			time.Sleep(3 * time.Second)
		}
		if got := told.Load(); got != 1 {
			t.Errorf("told %d times of one call", got)
		}
		select {
		case err := <-ended:
			t.Fatalf("the call ended: %v", err)
		default:
		}
		if err := e.a.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCallMadeWhileThePeerIsSilentIsSuspectWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{Timers: Timers{Dead: time.Minute}})
		begins(t, e, b, nil)
		e.netA.(*memory).stall(true)
		time.Sleep(10 * time.Second)
		told := make(chan struct{})
		req := request("echo")
		req.Watcher = suspects(func() { close(told) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		go e.a.Call(ctx, req)
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatal("not told")
		}
	})
}

func TestPingMeasuresAndEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		if _, err := e.a.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.netB.(*memory).stall(true)
		go func() { time.Sleep(300 * time.Millisecond); e.netB.(*memory).stall(false) }()
		if rtt, err := e.a.Ping(t.Context()); err != nil || rtt != 300*time.Millisecond || e.a.RTT() != rtt {
			t.Fatalf("%v, %v", rtt, err)
		}
		e.netB.(*memory).stall(true)
		go func() { time.Sleep(time.Second); e.netA.Close() }()
		_, err := e.a.Ping(t.Context())
		wantBroken(t, err, true)
	})
}

// What is answered while an acknowledgement is under way is acknowledged next,
// also when no other call comes.
func TestAnswersBehindAPingAreAcknowledgedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		args := request("echo", make([]byte, ackBytes/8)).Args
		ended := make(chan error)
		const calls = 24
		for range calls {
			go func() {
				_, err := e.a.Call(t.Context(), Request{Path: "echo", Args: args, ID: wire.CallID{Counter: callCounter.Add(1)}})
				ended <- err
			}()
		}
		for range calls {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		e.b.mu.Lock()
		defer e.b.mu.Unlock()
		if e.b.unackedBytes >= ackBytes || e.b.acking {
			t.Errorf("%d bytes wait for an acknowledgement that nobody asked for", e.b.unackedBytes)
		}
	})
}

func TestManyAnswersAreAcknowledgedByAPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		kept := func() int { synctest.Wait(); return b.server.Stats().Ledger.Outcomes }
		for range ackOutcomes - 1 {
			mustCall(t, e.a, request("echo"))
		}
		if got := kept(); got != ackOutcomes-1 {
			t.Fatalf("%d outcomes kept, want %d", got, ackOutcomes-1)
		}
		mustCall(t, e.a, request("echo"))
		if got := kept(); got != 0 {
			t.Fatalf("%d outcomes kept after the acknowledgement", got)
		}
		mustCall(t, e.a, request("echo", make([]byte, ackBytes)))
		if got := kept(); got != 0 {
			t.Fatalf("%d outcomes kept after a large answer", got)
		}
		mustCall(t, e.a, request("echo"))
		if _, err := e.b.Ping(t.Context()); err != nil || kept() != 0 {
			t.Fatalf("a PING of any kind acknowledges: %v, %d kept", err, kept())
		}
	})
}

// What was answered while an acknowledgement was under way is asked for when that
// has come, although no answer follows with which the PING could leave.
func TestAnswersBehindAnAcknowledgementAreAskedForAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 3 * ackOutcomes
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{MaxPerPeer: calls})
		released := make(chan struct{})
		b.handle(t, "wait", func(context.Context, *commands.Call) (any, error) {
			<-released
			return nil, nil
		})
		e := connect(t, a, b, Config{})
		var answered sync.WaitGroup
		for range calls {
			answered.Go(func() { mustCall(t, e.a, request("wait")) })
		}
		synctest.Wait()
		e.netB.(*memory).stall(true)
		close(released)
		answered.Wait()
		synctest.Wait()
		if got := b.server.Stats().Ledger.Outcomes; got != calls {
			t.Fatalf("%d outcomes kept without an acknowledgement, want %d", got, calls)
		}
		e.netB.(*memory).stall(false)
		synctest.Wait()
		if got := b.server.Stats().Ledger.Outcomes; got != 0 {
			t.Errorf("%d outcomes kept after the acknowledgements", got)
		}
	})
}

func TestCreditRefusesNothingWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{LinkCredit: wire.LinkCreditRelay})
		big := make([]byte, 3<<20)
		for range 3 {
			if got := mustCall(t, e.a, request("echo", big)); len(got) < len(big) {
				t.Fatalf("%d bytes came back", len(got))
			}
		}
		synctest.Wait()
		for name, c := range map[string]*Conn{"caller": e.a, "callee": e.b} {
			checkIdle(t, name, c)
		}
	})
}

// checkIdle checks that a Conn without calls holds nothing, and that no credit
// is lost: what the peer may send and what is owed to it make up the whole.
func checkIdle(t testing.TB, name string, c *Conn) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) != 0 || len(c.served) != 0 || c.assembling != 0 || len(c.hungry) != 0 {
		t.Errorf("%s: %d pending, %d served, %d assembling, %d hungry", name,
			len(c.pending), len(c.served), c.assembling, len(c.hungry))
	}
	if got := c.recvCredit + c.recvOwed; got != int64(c.cfg.LinkCredit) {
		t.Errorf("%s: the peer's link credit is %d, want %d", name, got, c.cfg.LinkCredit)
	}
	if held := c.server.assembly.Load(); held != 0 {
		t.Errorf("%s: assemblies hold %d bytes", name, held)
	}
}
