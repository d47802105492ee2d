package rpc

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// onReader tells whether it is called on a link's reader.
func onReader() bool { return strings.Contains(string(debug.Stack()), "(*Conn).readOn") }

// quickly registers a command marked quick.
func (p *party) quickly(t testing.TB, path string, h commands.Handler) {
	t.Helper()
	if err := p.tree.Handle(path, h, commands.Inline()); err != nil {
		t.Fatal(err)
	}
}

// quickParty has a quick command "where", which tells whether it runs on the
// reader, and "hold", which also holds it until free is closed. The reader of e
// runs handlers already.
func quickParty(t testing.TB, cfg ServerConfig) (e ends, bob *party, free chan struct{}) {
	t.Helper()
	bob, free = newParty(t, "bob", cfg), make(chan struct{})
	where := func(context.Context, *commands.Call) (any, error) { return onReader(), nil }
	bob.handle(t, "other", where)
	bob.quickly(t, "where", where)
	bob.quickly(t, "hold", func(ctx context.Context, _ *commands.Call) (any, error) {
		here := onReader()
		select {
		case <-free:
			return here, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	e = connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{})
	mustCall(t, e.a, request("where"))
	return e, bob, free
}

// wantHere calls a command of quickParty.
func wantHere(t testing.TB, c *Conn, path string, want bool) {
	t.Helper()
	var here bool
	if err := commands.DecodeValue(mustCall(t, c, request(path)), &here); err != nil {
		t.Fatal(err)
	}
	if here != want {
		t.Errorf("%s ran on the reader: %v, want %v", path, here, want)
	}
}

func TestQuickCommandsRunOnTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, bob, _ := quickParty(t, ServerConfig{})
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 3 {
			wantHere(t, e.a, "where", true)
			wantHere(t, e.a, "other", false)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		if s := bob.server.Stats(); s.Inlined != 3 || s.Started != 7 || s.Demoted != 0 || s.Results[0] != 7 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNoBudgetRunsNothingOnTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, _ := quickParty(t, ServerConfig{InlineBudget: -1})
		wantHere(t, e.a, "where", false)
	})
}

// A handler that blocks on the reader holds up its link for two budgets at most,
// and its command is run there again after a second, then two.
func TestAHandlerThatBlocksLosesTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []time.Duration
		e, bob, free := quickParty(t, ServerConfig{OnDemote: func(cmd *commands.Command, rest time.Duration) {
			if cmd.Path().String() != "hold" {
				t.Errorf("demoted %s", cmd.Path())
			}
			told = append(told, rest)
		}})
		results := make(chan []byte, 3)
		hold := func() { results <- mustCall(t, e.a, request("hold")) }
		go hold()
		synctest.Wait()
		began := time.Now()
		wantHere(t, e.a, "where", true) // by the next reader
		if waited := time.Since(began); waited > 2*5*time.Millisecond {
			t.Errorf("held up for %v", waited)
		}
		go hold() // on a goroutine of its own
		synctest.Wait()
		began = time.Now()
		wantHere(t, e.a, "where", true)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a demoted command held up the link for %v", waited)
		}
		time.Sleep(leastRest)
		go hold()                         // on the reader again
		time.Sleep(20 * time.Millisecond) // until the overseer has looked twice
		close(free)
		for _, want := range []string{"a", "b", "c"} {
			var here bool
			if err := commands.DecodeValue(<-results, &here); err != nil {
				t.Fatal(want, err)
			}
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Demoted != 2 || s.Running != 0 || len(told) != 2 || told[0] != leastRest || told[1] != 2*leastRest {
			t.Errorf("%+v, told %v", s, told)
		}
		wantHere(t, e.a, "where", true)
	})
}

// The link of a handler that never returns ends all the same.
func TestALinkEndsUnderAHandlerOnItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob, free := newParty(t, "bob", ServerConfig{}), make(chan struct{})
		bob.quickly(t, "deaf", func(context.Context, *commands.Call) (any, error) {
			if onReader() {
				<-free
			}
			return nil, nil
		})
		e := connect(t, newParty(t, "alice", ServerConfig{}), bob, Config{})
		mustCall(t, e.a, request("deaf"))
		go func() { _, _ = e.a.Call(t.Context(), request("deaf")) }()
		synctest.Wait()
		e.a.Close(nil)
		<-e.b.Done()
		if s := bob.server.Stats(); s.Running != 1 {
			t.Errorf("%d handlers run, want the one that holds on", s.Running)
		}
		close(free)
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 0 {
			t.Errorf("%d handlers run", s.Running)
		}
	})
}

func TestACrashOnTheReaderCostsTheCallAlone(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("on purpose") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, bob, _ := quickParty(t, ServerConfig{})
				bob.quickly(t, "crash", func(context.Context, *commands.Call) (any, error) {
					if !onReader() {
						t.Error("not on the reader")
					}
					crash()
					return nil, nil
				})
				for range 3 {
					_, err := e.a.Call(t.Context(), request("crash"))
					wantFail(t, err, commands.Internal, commands.ExecutedYes)
					wantHere(t, e.a, "where", true)
				}
				synctest.Wait()
				if s := bob.server.Stats(); s.Running != 0 || s.Demoted != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A handler that is slow and then ends its goroutine has lost the reader before:
// there is one reader, not two.
func TestASlowHandlerThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, bob, _ := quickParty(t, ServerConfig{})
		bob.quickly(t, "crash", func(context.Context, *commands.Call) (any, error) {
			time.Sleep(time.Second)
			runtime.Goexit()
			return nil, nil
		})
		synctest.Wait()
		before := runtime.NumGoroutine()
		_, err := e.a.Call(t.Context(), request("crash"))
		wantFail(t, err, commands.Internal, commands.ExecutedYes)
		wantHere(t, e.a, "where", true)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n != before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
	})
}

// A large answer waits for the peer's credit, on no reader.
func TestALargeAnswerOfAQuickCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, bob, _ := quickParty(t, ServerConfig{})
		big := bytes.Repeat([]byte{7}, 3*wire.CallCredit)
		bob.quickly(t, "big", func(context.Context, *commands.Call) (any, error) { return big, nil })
		e.netA.(*memory).stall(true)
		result := make(chan []byte, 1)
		go func() { result <- mustCall(t, e.a, request("big")) }()
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 1 || s.Inlined != 1 {
			t.Errorf("while it is on its way: %+v", s)
		}
		e.netA.(*memory).stall(false)
		var got []byte
		if err := commands.DecodeValue(<-result, &got); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 0 || s.Demoted != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The limits count calls on the reader, a CANCEL and a deadline reach them, and a
// call that has waited does not come back to the reader.
func TestQuickCommandsKeepToLimitsCancelAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, bob, _ := quickParty(t, ServerConfig{MaxPerPeer: 1, QueuePerPeer: 1})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := e.a.Call(ctx, request("hold")); ended <- err }()
		synctest.Wait()
		queued := make(chan []byte, 1)
		go func() { queued <- mustCall(t, e.a, request("where")) }()
		time.Sleep(20 * time.Millisecond)
		_, err := e.a.Call(t.Context(), request("where"))
		wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
		cancel()
		<-ended
		var here bool
		if err := commands.DecodeValue(<-queued, &here); err != nil || here {
			t.Errorf("a call that has waited ran on the reader: %v, %v", here, err)
		}
		synctest.Wait()
		time.Sleep(leastRest)
		late, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err = e.a.Call(late, request("hold"))
		if err == nil {
			t.Error("a call without an end ended well")
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 0 || s.PeerFull != 1 || s.Queued != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A repeat finds the call that runs on the reader, and its kept outcome.
func TestARepeatOfAQuickCommandDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, bob, free := quickParty(t, ServerConfig{})
		close(free)
		req := request("hold")
		mustCall(t, e.a, req)
		started := bob.server.Stats().Started
		req.Repeat = true
		mustCall(t, e.a, req)
		if s := bob.server.Stats(); s.Started != started || s.Repeats != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// unread is a connection whose reader can be held.
type unread struct {
	net.Conn
	mu sync.Mutex // held by who holds the reader
}

func (u *unread) Read(b []byte) (int, error) {
	n, err := u.Conn.Read(b)
	u.mu.Lock()
	defer u.mu.Unlock()
	return n, err
}

// While the peer reads nothing, quick commands leave the reader: their answers
// wait for room, and keep their places meanwhile.
func TestQuickCommandsLeaveTheReaderWithoutRoom(t *testing.T) {
	bob := newParty(t, "bob", ServerConfig{MaxPerPeer: 8, QueuePerPeer: -1, InlineBudget: time.Hour})
	bob.quickly(t, "some", func(context.Context, *commands.Call) (any, error) { return make([]byte, 15<<10), nil })
	near, far := net.Pipe()
	u := &unread{Conn: near}
	e := connectOver(t, newParty(t, "alice", ServerConfig{}), bob, Config{}, u, far)
	for bob.server.Stats().Inlined == 0 {
		mustCall(t, e.a, request("some"))
	}
	u.mu.Lock()
	var calls sync.WaitGroup
	for range 40 {
		calls.Go(func() { _, _ = e.a.Call(t.Context(), request("some")) })
	}
	eventually(t, "a call is refused", func() bool { return bob.server.Stats().PeerFull > 0 })
	// One or another may have answered just as a place was looked for.
	if s := bob.server.Stats(); s.Running < 4 || s.Running > 8 || s.Inlined > 1+128/15+2 {
		t.Errorf("%+v", s)
	}
	u.mu.Unlock()
	calls.Wait()
}

// eventually polls until something is so, and fails the test after ten seconds.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}
