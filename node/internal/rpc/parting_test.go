package rpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func TestS3_12_AcceptedCallsAnswerDuringTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		byes := make(chan wire.Bye, 1)
		b.handle(t, "slow", func(context.Context, *commands.Call) (any, error) { time.Sleep(3 * time.Second); return 1, nil })
		a.handle(t, "slow", func(context.Context, *commands.Call) (any, error) { time.Sleep(5 * time.Second); return 2, nil })
		e := connect(t, a, b, Config{OnBye: func(bye wire.Bye) { byes <- bye }})
		ended := make(chan error, 2)
		go func() { _, err := e.a.Call(t.Context(), request("slow")); ended <- err }()
		go func() { _, err := e.b.Call(t.Context(), request("slow")); ended <- err }()
		synctest.Wait()
		began := time.Now()
		bye := wire.Bye{Code: wire.ByeRebooting, ComeBackAfter: 7 * time.Second, Text: "update"}
		if err := e.b.Bye(t.Context(), bye); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the drain took %v, want 5 s", took)
		}
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
		if got := <-byes; got != bye {
			t.Errorf("the peer heard %+v", got)
		}
		<-e.a.Done()
		var parted *ByeError
		if err := e.a.Err(); !errors.As(err, &parted) || parted.Bye != bye {
			t.Errorf("the peer's cause: %v", err)
		}
		if err := e.b.Err(); !errors.Is(err, ErrParted) {
			t.Errorf("own cause: %v", err)
		}
	})
}

func TestCallsAfterByeAreRefusedAsNotExecuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		begins(t, e, b, nil) // keeps the link open
		e.netA.(*memory).stall(true)
		go e.b.Bye(t.Context(), wire.Bye{Code: wire.ByeRebooting})
		synctest.Wait()
		// alice has not read the BYE yet, bob has sent it.
		crossed := make(chan error, 2)
		go func() { _, err := e.a.Call(t.Context(), request("echo")); crossed <- err }()
		go func() { _, err := e.a.Call(t.Context(), request("echo", make([]byte, 1<<20))); crossed <- err }()
		synctest.Wait()
		e.netA.(*memory).stall(false)
		wantFail(t, <-crossed, commands.Unavailable, commands.ExecutedNo)
		wantFail(t, <-crossed, commands.Unavailable, commands.ExecutedNo)
		synctest.Wait()
		// Now she has.
		_, err := e.a.Call(t.Context(), request("echo"))
		wantBroken(t, err, false)
		_, err = e.b.Call(t.Context(), request("echo"))
		wantBroken(t, err, false)
		if !e.a.Parting() || !e.b.Parting() {
			t.Error("not parting")
		}
	})
}

func TestByeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		ended := begins(t, e, b, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.b.Bye(ctx, wire.Bye{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		wantBroken(t, <-ended, true)
	})
}

func TestBothSidesMayPartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		parted := make(chan error, 2)
		go func() { parted <- e.a.Bye(t.Context(), wire.Bye{}) }()
		go func() { parted <- e.b.Bye(t.Context(), wire.Bye{}) }()
		if err := errors.Join(<-parted, <-parted); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefusalAtHelloMeansThatNoCallRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		ca, cb := newMemory()
		refused := make(chan error, 1)
		go func() {
			cfg := b.config()
			cfg.Judge = func(link.Peer) *link.Refusal { return &link.Refusal{Code: wire.ByeNotAllowed, Text: "not you"} }
			_, err := link.Accept(context.Background(), link.Stream(cb), cfg)
			refused <- err
		}()
		la, err := link.Dial(context.Background(), link.Stream(ca), a.config(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c := New(la, a.server, Config{})
		ended := make(chan error, 1)
		go func() { _, err := c.Call(t.Context(), request("echo")); ended <- err }()
		synctest.Wait()
		start(t, c)
		err = <-ended
		wantBroken(t, err, false)
		var bye *ByeError
		if !errors.As(err, &bye) || bye.Bye.Code != wire.ByeNotAllowed || bye.Bye.Text != "not you" {
			t.Fatalf("cause %v", err)
		}
		var judged *link.RefusedError
		if err := <-refused; !errors.As(err, &judged) {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Fatalf("hung up after %v only", took)
		}
	})
}

func TestLostLinkBreaksItsCallsAndARepeatTakesThemOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		runs := 0
		b.handle(t, "slow", func(ctx context.Context, _ *commands.Call) (any, error) {
			runs++
			select {
			case <-time.After(30 * time.Second):
				return "ran", nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		first, second := connect(t, a, b, Config{}), connect(t, a, b, Config{})
		req := request("slow")
		broken := make(chan error, 1)
		go func() { _, err := first.a.Call(t.Context(), req); broken <- err }()
		synctest.Wait()
		first.netA.Close()
		wantBroken(t, <-broken, true)
		<-first.b.Done()
		if b.server.Stats().Running != 1 {
			t.Fatal("the handler ended with its link")
		}
		time.Sleep(10 * time.Second)
		req.Repeat = true
		var value string
		if err := commands.DecodeValue(mustCall(t, second.a, req), &value); err != nil || value != "ran" {
			t.Fatalf("%q, %v", value, err)
		}
		if runs != 1 {
			t.Fatalf("ran %d times", runs)
		}
		mustCall(t, second.a, req) // the outcome is kept
		if s := b.server.Stats(); runs != 1 || s.Repeats != 2 {
			t.Fatalf("ran %d times, %d repeats", runs, s.Repeats)
		}
	})
}

func TestLostLinkEndsItsHandlersAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		begins(t, e, b, nil)
		e.netA.Close()
		<-e.b.Done()
		time.Sleep(15*time.Second - time.Millisecond)
		synctest.Wait()
		if b.server.Stats().Running != 1 {
			t.Fatal("the handler ended within the grace")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if b.server.Stats().Running != 0 {
			t.Fatal("the handler outlived the grace")
		}
	})
}

func TestCloseEndsEverythingAndKeepsTheFirstCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		ended := begins(t, e, b, nil)
		cause := errors.New("first")
		e.a.Close(cause)
		e.a.Close(errors.New("second"))
		if err := <-ended; !errors.Is(err, cause) {
			t.Fatalf("the call's cause: %v", err)
		}
		if !errors.Is(e.a.Err(), cause) {
			t.Fatalf("the Conn's cause: %v", e.a.Err())
		}
		_, err := e.a.Call(t.Context(), request("echo"))
		wantBroken(t, err, false)
	})
}

// A BYE with a code of refusals must not be taken for one: the call that was
// accepted before it runs once and gets its answer.
func TestS3_12_ByeBusyIsNoRefusalOfTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "slow", func(context.Context, *commands.Call) (any, error) { time.Sleep(500 * time.Millisecond); return 1, nil })
		e := connect(t, a, b, Config{})
		ended := make(chan error, 1)
		go func() { _, err := e.a.Call(t.Context(), request("slow")); ended <- err }()
		synctest.Wait()
		if err := e.b.Bye(t.Context(), wire.Bye{Code: wire.ByeBusy}); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the accepted call: %v", err)
		}
	})
}
