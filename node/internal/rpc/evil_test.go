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
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// evil is a member that holds the right key and sends what it likes. It has
// dialled, so its call numbers are odd.
type evil struct {
	t    *testing.T
	link *link.Link
	got  chan wire.Message
	conn *memory
}

// newEvil connects a raw link to a new Conn of bob.
func newEvil(t *testing.T, bob *party, cfg Config) (*evil, *Conn) {
	t.Helper()
	mallory := newParty(t, "mallory", ServerConfig{})
	ca, cb := newMemory()
	la, lb := joined(t, mallory, bob, ca, cb)
	ev := &evil{t: t, link: la, got: make(chan wire.Message, 4096), conn: ca}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = la.Run(func(m wire.Message) error {
			m.Body = append([]byte(nil), m.Body...)
			ev.got <- m
			return nil
		})
		close(ev.got)
	}()
	t.Cleanup(func() { la.Close(nil); <-ended })
	return ev, start(t, New(lb, bob.server, cfg))
}

func (ev *evil) post(typ wire.Type, body []byte) {
	ev.t.Helper()
	if err := ev.link.Post(typ, body); err != nil {
		ev.t.Fatal(err)
	}
	ev.link.Flush()
}

func (ev *evil) call(number uint64, path string, remaining time.Duration) {
	ev.t.Helper()
	ev.post(wire.TypeCall, wire.AppendCall(nil, wire.Call{
		Number: number, Path: path, Remaining: remaining,
		ID: wire.CallID{Caller: [8]byte{9}, Counter: number},
	}))
}

func (ev *evil) chunk(number uint64, flags uint8, b []byte) {
	ev.t.Helper()
	ev.post(wire.TypeChunk, append(wire.AppendChunkHeader(nil, number, flags), b...))
}

// next is the next message of a type; others before it are skipped.
func (ev *evil) next(typ wire.Type) wire.Message {
	ev.t.Helper()
	for m := range ev.got {
		if m.Type == typ {
			return m
		}
	}
	ev.t.Fatalf("the link ended before a %v", typ)
	return wire.Message{}
}

// fail is the next FAIL.
func (ev *evil) fail(code commands.Code, executed commands.Executed) {
	ev.t.Helper()
	f, err := wire.ParseFail(ev.next(wire.TypeFail).Body)
	if err != nil {
		ev.t.Fatal(err)
	}
	wantFail(ev.t, commands.FromWire(f), code, executed)
}

// alive checks that the link still answers calls.
func (ev *evil) alive(number uint64) {
	ev.t.Helper()
	ev.call(number, "echo", 0)
	if r, err := wire.ParseReply(ev.next(wire.TypeReply).Body); err != nil || r.Number != number {
		ev.t.Fatalf("reply to %d, %v", r.Number, err)
	}
}

func TestRuleBreakersLoseTheirLink(t *testing.T) {
	full := make([]byte, wire.MaxChunk)
	exceed := func(ev *evil, sizes ...int) {
		for _, n := range sizes {
			ev.chunk(1, wire.ChunkCall, make([]byte, n))
		}
	}
	for name, c := range map[string]struct {
		cfg  Config
		do   func(*evil)
		want error // nil: any
	}{
		"lower number":         {do: func(ev *evil) { ev.call(3, "echo", 0); ev.call(1, "echo", 0) }, want: ErrNumber},
		"repeated number":      {do: func(ev *evil) { ev.call(3, "echo", 0); ev.call(3, "echo", 0) }, want: ErrNumber},
		"number of this side":  {do: func(ev *evil) { ev.call(2, "echo", 0) }, want: ErrNumber},
		"chunk, our number":    {do: func(ev *evil) { ev.chunk(2, wire.ChunkCall, full) }, want: ErrNumber},
		"number 0":             {do: func(ev *evil) { ev.call(0, "echo", 0) }, want: ErrNumber},
		"CALL without number":  {do: func(ev *evil) { ev.post(wire.TypeCall, []byte{1}) }},
		"REPLY without number": {do: func(ev *evil) { ev.post(wire.TypeReply, []byte{1}) }},
		"CHUNK of two kinds":   {do: func(ev *evil) { ev.chunk(1, wire.ChunkCall|wire.ChunkFail, full) }},
		"short PING":           {do: func(ev *evil) { ev.post(wire.TypePing, []byte{1}) }},
		"short PONG":           {do: func(ev *evil) { ev.post(wire.TypePong, []byte{1}) }},
		"short BYE":            {do: func(ev *evil) { ev.post(wire.TypeBye, []byte{1}) }},
		"short BYE-ACK":        {do: func(ev *evil) { ev.post(wire.TypeByeAck, []byte{1}) }},
		"short CREDIT":         {do: func(ev *evil) { ev.post(wire.TypeCredit, []byte{1}) }},
		"short CANCEL":         {do: func(ev *evil) { ev.post(wire.TypeCancel, []byte{1}) }},
		"link credit": {
			cfg:  Config{LinkCredit: 1000},
			do:   func(ev *evil) { exceed(ev, 1001) },
			want: ErrCredit,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ev, c2 := newEvil(t, newParty(t, "bob", ServerConfig{}), c.cfg)
				c.do(ev)
				<-c2.Done()
				if err := c2.Err(); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Fatalf("ended by %v, want %v", err, c.want)
				}
			})
		})
	}
}

// Call credit is returned in portions of a quarter as chunks arrive, and each
// arrives whole, so only a peer that does not count can exceed it. It is seen
// at the one place that counts.
func TestExceedingCallCreditIsAnError(t *testing.T) {
	a := &window{credit: wire.CallCredit}
	if err := a.spend(wire.CallCredit); err != nil {
		t.Fatal(err)
	}
	if err := a.spend(1); !errors.Is(err, ErrCredit) {
		t.Fatalf("got %v", err)
	}
}

func TestMixedAnswerChunksEndTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		ended := make(chan error, 1)
		go func() { _, err := c.Call(t.Context(), request("x")); ended <- err }()
		ev.next(wire.TypeCall)
		ev.chunk(2, wire.ChunkReply, []byte{1})
		ev.chunk(2, wire.ChunkFail, []byte{1})
		err := <-ended
		wantBroken(t, err, true)
		if !errors.Is(err, ErrMixed) {
			t.Fatal(err)
		}
	})
}

func TestMessagesForUnknownAndEndedCallsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		ev.alive(1)
		full := make([]byte, wire.MaxChunk)
		for _, number := range []uint64{1, 2, 99} {
			ev.post(wire.TypeReply, wire.AppendReply(nil, wire.Reply{Number: number}))
			ev.post(wire.TypeFail, wire.AppendFail(nil, wire.Fail{Number: number, Code: 2}))
			ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: number}))
			ev.post(wire.TypeCredit, wire.AppendCredit(nil, wire.Credit{Number: number, Bytes: 1 << 31}))
			ev.chunk(number, wire.ChunkReply, full)
			ev.chunk(number, wire.ChunkEnd, full) // a stream's
		}
		ev.chunk(1, wire.ChunkCall|wire.ChunkEnd, full) // after its end
		ev.post(wire.TypePong, make([]byte, 8))
		ev.alive(101)
		checkIdle(t, "callee", c)
		// Link credit returns for all of them: far more than the whole of it.
		sent := 0
		for sent < 3*wire.LinkCreditLAN {
			for range 65 { // a little more than a quarter of the link credit
				ev.chunk(1, wire.ChunkCall, full)
				sent += len(full)
			}
			ev.next(wire.TypeCredit)
			synctest.Wait()
		}
		ev.alive(103)
	})
}

func TestR31_BombsGetATypedErrorAndTheLinkLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, _ := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		head := wire.AppendCallBody(nil, wire.Call{Path: "echo"})
		head = head[:len(head)-3] // up to the arguments
		number := uint64(1)
		for _, bomb := range [][]byte{
			nil, {0xc1}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0xdf, 0x00, 0x98, 0x96, 0x80},
			{0xc6, 0xff, 0xff, 0xff, 0xff}, {0x91, 0x91, 0x91}, {0x01}, {0xc4},
		} {
			body := make([]byte, 8, 64)
			body[7] = byte(number)
			ev.post(wire.TypeCall, append(append(body, head...), bomb...))
			ev.fail(commands.InvalidArgument, commands.ExecutedNo)
			number += 2
		}
		ev.post(wire.TypeCall, []byte{0, 0, 0, 0, 0, 0, 0, byte(number)})
		ev.fail(commands.InvalidArgument, commands.ExecutedNo)
		number += 2
		ev.chunk(number, wire.ChunkCall|wire.ChunkEnd, []byte{0xdd, 0xff})
		ev.fail(commands.InvalidArgument, commands.ExecutedNo)
		ev.alive(number + 2)
	})
}

func TestBadFailIsAnInternalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		ended := make(chan error, 1)
		go func() { _, err := c.Call(t.Context(), request("x")); ended <- err }()
		ev.next(wire.TypeCall)
		ev.post(wire.TypeFail, []byte{0, 0, 0, 0, 0, 0, 0, 2, 0xc1})
		wantFail(t, <-ended, commands.Internal, commands.ExecutedMaybe)
	})
}

func TestR30_HalfSentMessagesStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 1 << 20
		bob := newParty(t, "bob", ServerConfig{AssemblyBytes: budget, MaxPerPeer: 20})
		ev, _ := newEvil(t, bob, Config{})
		full := make([]byte, wire.MaxChunk)
		copy(full, wire.AppendCallBody(nil, wire.Call{ID: wire.CallID{Counter: 1}, Path: "echo"}))
		refused := 0
		for number := uint64(1); number < 400; number += 2 {
			for range 4 {
				ev.chunk(number, wire.ChunkCall, full)
			}
			synctest.Wait()
			if held := bob.server.Stats().Assembly; held > budget {
				t.Fatalf("%d bytes held, budget %d", held, budget)
			}
		}
		for len(ev.got) > 0 {
			if m := <-ev.got; m.Type == wire.TypeFail {
				f, _ := wire.ParseFail(m.Body)
				wantFail(t, commands.FromWire(f), commands.ResourceExhausted, commands.ExecutedNo)
				refused++
			}
		}
		if refused < 180 {
			t.Fatalf("%d refused", refused)
		}
		// Idle ones end after 30 s, and the place is free again.
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := bob.server.Stats(); s.Assembly != 0 || s.Stalled == 0 {
			t.Fatalf("%+v", s)
		}
		for len(ev.got) > 0 {
			<-ev.got
		}
		ev.alive(401)
	})
}

func TestR30_CancelledHalfSentMessagesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		ev, c := newEvil(t, bob, Config{})
		full := make([]byte, wire.MaxChunk)
		for i := range uint64(1000) {
			ev.chunk(2*i+1, wire.ChunkCall, full)
			ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 2*i + 1, Mode: wire.CancelSilent}))
			if i%64 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Cancelled != 1000 || s.Assembly != 0 {
			t.Fatalf("%+v", s)
		}
		checkIdle(t, "callee", c)
		ev.alive(3001)
	})
}

func TestCancelModeZeroAnswersCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		ended := make(chan struct{})
		bob.handle(t, "wait", func(ctx context.Context, _ *commands.Call) (any, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		})
		ev, _ := newEvil(t, bob, Config{})
		ev.call(1, "wait", 0)
		synctest.Wait()
		ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 1, Mode: wire.CancelAnswer}))
		ev.fail(commands.Cancelled, commands.ExecutedMaybe)
		<-ended
		ev.chunk(3, wire.ChunkCall, []byte{1})
		ev.post(wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 3, Mode: wire.CancelAnswer}))
		ev.fail(commands.Cancelled, commands.ExecutedNo)
		synctest.Wait()
		if len(ev.got) != 0 {
			t.Fatalf("answered twice: %v", (<-ev.got).Type)
		}
	})
}

func TestExpiredWorkIsDroppedUnstarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		ev, _ := newEvil(t, bob, Config{})
		body := wire.AppendCallBody(nil, wire.Call{
			ID: wire.CallID{Counter: 1}, Path: "echo", Remaining: time.Second,
		})
		ev.chunk(1, wire.ChunkCall, body[:20])
		time.Sleep(time.Second)
		ev.chunk(1, wire.ChunkCall|wire.ChunkEnd, body[20:])
		ev.fail(commands.DeadlineExceeded, commands.ExecutedNo)
		if s := bob.server.Stats(); s.Started != 0 {
			t.Fatal("it was started")
		}
	})
}

func TestPingFloodIsAnsweredUntilTheOutboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		mallory := newParty(t, "mallory", ServerConfig{})
		ca, cb := newMemory()
		stuck := &stuckConn{memory: cb, closed: make(chan struct{})}
		la, lb := joined(t, mallory, bob, ca, stuck)
		c := start(t, New(lb, bob.server, Config{}))
		t.Cleanup(func() { la.Close(nil) })
		stuck.armed.Store(true)
		for i := 0; la.Post(wire.TypePing, make([]byte, 8)) == nil && c.link.Err() == nil; i++ {
			if i%1000 == 0 {
				la.Flush()
				synctest.Wait()
			}
		}
		<-c.Done()
		var end *link.Error
		if err := c.Err(); !errors.As(err, &end) || end.Cause != link.CauseOverflow {
			t.Fatalf("ended by %v", err)
		}
		if bob.counters.Ended(link.CauseOverflow) != 1 {
			t.Fatal("not counted")
		}
	})
}

// stuckConn is a connection whose writes hang once armed, until it is closed.
type stuckConn struct {
	*memory
	armed  atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (s *stuckConn) Write(b []byte) (int, error) {
	if s.armed.Load() {
		<-s.closed
	}
	return s.memory.Write(b)
}

func (s *stuckConn) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.memory.Close()
}

func TestAnswerThatTheReaderNeverTakesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "large", func(context.Context, *commands.Call) (any, error) { return make([]byte, 1<<20), nil })
		ev, _ := newEvil(t, bob, Config{})
		ev.call(1, "large", 0)
		got := 0
		for {
			m := <-ev.got
			if m.Type == wire.TypeFail {
				break
			}
			if m.Type == wire.TypeChunk {
				got += len(m.Body) - wire.ChunkHeader
			}
			if m.Type == wire.TypePing {
				ev.post(wire.TypePong, m.Body)
			}
		}
		if got != wire.CallCredit {
			t.Fatalf("%d bytes came without credit, want %d", got, wire.CallCredit)
		}
		synctest.Wait()
		if s := bob.server.Stats(); s.Running != 0 || s.Stalled != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestCallThatTheCalleeNeverTakesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ev, c := newEvil(t, newParty(t, "bob", ServerConfig{}), Config{})
		stop := make(chan struct{})
		go func() { // a peer that is alive and grants nothing
			defer close(stop)
			for m := range ev.got {
				if m.Type == wire.TypePing && ev.link.Post(wire.TypePong, m.Body) == nil {
					ev.link.Flush()
				}
			}
		}()
		_, err := c.Call(t.Context(), request("x", make([]byte, 1<<20)))
		wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
		c.Close(nil)
		<-stop
	})
}

func TestPeekedIDIsTheParsedOne(t *testing.T) {
	want := wire.CallID{Caller: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Counter: 1<<63 + 5}
	body := wire.AppendCallBody(nil, wire.Call{ID: want, Path: "x"})
	id, ok := peekID(body[:min(len(body), idHead)])
	if !ok || id.Caller != want.Caller || id.Counter != want.Counter {
		t.Fatalf("%v, %v", id, ok)
	}
	for n := range 19 {
		if _, ok := peekID(body[:n]); ok {
			t.Fatalf("read an id from %d bytes", n)
		}
	}
}
