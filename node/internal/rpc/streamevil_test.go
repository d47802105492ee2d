package rpc

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// stream begins a streaming call under a raw number.
func (ev *evil) stream(number uint64, path string) {
	ev.t.Helper()
	ev.post(wire.TypeCall, wire.AppendCall(nil, wire.Call{
		Number: number, Path: path, Flags: wire.CallStream,
		ID: wire.CallID{Caller: [8]byte{9}, Counter: number},
	}))
}

// deaf is a handler that reads nothing until its context ends.
func deaf(ctx context.Context, _ *commands.Call) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestRuleBreakersOnAStreamLoseTheirLink(t *testing.T) {
	full := make([]byte, wire.MaxChunk)
	fill := func(ev *evil, number uint64) {
		for sent := 0; sent < wire.CallCredit; sent += len(full) {
			ev.chunk(number, 0, full[:min(len(full), wire.CallCredit-sent)])
		}
	}
	large := wire.AppendCallBody(nil, wire.Call{Path: "deaf", Flags: wire.CallStream})
	for name, c := range map[string]struct {
		do   func(*evil)
		want error
	}{
		"call credit": {func(ev *evil) { ev.stream(1, "deaf"); fill(ev, 1); ev.chunk(1, 0, full[:1]) }, ErrCredit},
		"call credit, small": {func(ev *evil) {
			ev.stream(1, "deaf")
			tiny := append(wire.AppendChunkHeader(nil, 1, 0), 1)
			for i := range wire.CallCredit + 1 {
				if ev.link.Post(wire.TypeChunk, tiny) != nil {
					return
				}
				if i%1000 == 0 {
					ev.link.Flush()
					synctest.Wait()
				}
			}
			ev.link.Flush()
		}, ErrCredit},
		"credit of a large call goes on": {func(ev *evil) {
			ev.chunk(1, wire.ChunkCall|wire.ChunkEnd, large)
			fill(ev, 1)
		}, ErrCredit},
		"after the end":       {func(ev *evil) { ev.stream(1, "deaf"); ev.chunk(1, wire.ChunkEnd, nil); ev.chunk(1, 0, full) }, ErrAfterEnd},
		"two ends":            {func(ev *evil) { ev.stream(1, "deaf"); ev.chunk(1, wire.ChunkEnd, nil); ev.chunk(1, wire.ChunkEnd, nil) }, ErrAfterEnd},
		"within a large call": {func(ev *evil) { ev.chunk(1, wire.ChunkCall, large[:20]); ev.chunk(1, 0, full) }, ErrMixed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bob := newParty(t, "bob", ServerConfig{})
				bob.handle(t, "deaf", deaf)
				ev, conn := newEvil(t, bob, Config{})
				c.do(ev)
				<-conn.Done()
				if err := conn.Err(); !errors.Is(err, c.want) {
					t.Fatalf("ended by %v, want %v", err, c.want)
				}
				synctest.Wait()
				if s := bob.server.Stats(); s.Streams != 0 || s.Running != 0 || conn.Streams() != 0 {
					t.Fatalf("left over: %+v, %d streams", s, conn.Streams())
				}
			})
		})
	}
}

// The same from a callee.
func TestRuleBreakingCalleesLoseTheirLink(t *testing.T) {
	full := make([]byte, wire.MaxChunk)
	for name, c := range map[string]struct {
		do   func(*evil)
		want error
	}{
		"call credit": {func(ev *evil) {
			for range wire.CallCredit/len(full) + 1 {
				ev.chunk(2, 0, full)
			}
		}, ErrCredit},
		"credit of a stream goes on in a reply": {func(ev *evil) {
			for range 13 {
				ev.chunk(2, 0, full)
			}
			for range 3 { // less than is returned at a time
				ev.chunk(2, wire.ChunkReply, full)
			}
			ev.chunk(2, wire.ChunkReply, full[:wire.CallCredit-16*len(full)+1])
		}, ErrCredit},
		"after the end":  {func(ev *evil) { ev.chunk(2, wire.ChunkEnd, full); ev.chunk(2, 0, nil) }, ErrAfterEnd},
		"within a reply": {func(ev *evil) { ev.chunk(2, wire.ChunkReply, full); ev.chunk(2, 0, full) }, ErrAfterEnd},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bob := newParty(t, "bob", ServerConfig{})
				ev, conn := newEvil(t, bob, Config{})
				s := mustOpen(t, conn, request("x"))
				c.do(ev)
				<-conn.Done()
				if err := conn.Err(); !errors.Is(err, c.want) {
					t.Fatalf("ended by %v, want %v", err, c.want)
				}
				_, err := s.Result()
				wantBroken(t, err, true)
				if s := bob.server.Stats(); s.Streams != 0 || conn.Streams() != 0 {
					t.Fatalf("left over: %+v, %d streams", s, conn.Streams())
				}
			})
		})
	}
}

// What comes of no stream costs its sender only: it is ignored, and link credit
// returns.
func TestChunksOfNoStreamAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "deaf", deaf)
		ev, c := newEvil(t, bob, Config{})
		large := wire.AppendCallBody(nil, wire.Call{Path: "deaf", ID: wire.CallID{Counter: 3}})
		ev.call(1, "deaf", 0)                            // a plain call
		ev.chunk(3, wire.ChunkCall|wire.ChunkEnd, large) // a plain large one
		ev.stream(5, "ecko")                             // a stream that was refused
		ev.next(wire.TypeFail)
		full := make([]byte, wire.MaxChunk)
		for _, number := range []uint64{1, 3, 5, 7} {
			for range 2 * wire.CallCredit / len(full) {
				ev.chunk(number, 0, full)
			}
			ev.chunk(number, wire.ChunkEnd, nil)
			ev.chunk(number, 0, nil)
			synctest.Wait()
		}
		if held := bob.server.Stats().Streams; held != 0 {
			t.Fatalf("%d bytes held", held)
		}
		for len(ev.got) > 0 {
			<-ev.got
		}
		ev.alive(101)
		if c.Streams() != 0 {
			t.Fatalf("%d streams", c.Streams())
		}
	})
}

// A million chunks of one byte cost no more memory than their bytes, and few
// grants; empty ones cost nothing.
func TestTinyChunksArePacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "count", func(_ context.Context, c *commands.Call) (any, error) {
			time.Sleep(time.Second)
			return io.Copy(io.Discard, ear{c.Pipe})
		})
		ev, _ := newEvil(t, bob, Config{})
		ev.stream(1, "count")
		tiny := append(wire.AppendChunkHeader(nil, 1, 0), 1)
		const total = 1_000_000
		sent, credit, grants := 0, wire.CallCredit, 0
		for sent < total {
			for ; credit > 0 && sent < total; credit-- {
				if err := ev.link.Post(wire.TypeChunk, tiny); err != nil {
					t.Fatal(err)
				}
				if sent++; sent%1000 == 0 {
					ev.link.Flush()
					synctest.Wait()
				}
			}
			ev.chunk(1, 0, nil)
			ev.link.Flush()
			for credit == 0 {
				got, err := wire.ParseCredit(ev.next(wire.TypeCredit).Body)
				if err != nil {
					t.Fatal(err)
				}
				if got.Number == 1 {
					credit += int(got.Bytes)
					grants++
				}
			}
		}
		ev.chunk(1, wire.ChunkEnd, nil)
		reply, err := wire.ParseReply(ev.next(wire.TypeReply).Body)
		var n int
		if err := errors.Join(err, commands.DecodeValue(reply.Value, &n)); err != nil || n != total {
			t.Fatalf("%d bytes were read, %v", n, err)
		}
		if peak := bob.server.Stats().StreamPeak; peak > wire.CallCredit+2*blockSize || grants > total/(wire.CallCredit/4)+1 {
			t.Errorf("%d bytes held at most, %d grants", peak, grants)
		}
	})
}

func TestEndlessCreditOverflowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		bob.handle(t, "pour", func(_ context.Context, c *commands.Call) (any, error) {
			if err := c.Pipe.Open(); err != nil {
				return nil, err
			}
			if _, err := c.Pipe.Read(nil, make([]byte, 1)); err != nil {
				return nil, err
			}
			return c.Pipe.Write(nil, make([]byte, 2<<20))
		})
		ev, _ := newEvil(t, bob, Config{})
		ev.stream(1, "pour")
		ev.next(wire.TypeChunk)
		for range 1000 {
			ev.grant(1, 1<<32-1)
			ev.grant(0, 1<<32-1)
		}
		ev.chunk(1, 0, []byte{1})
		got := 0
		for m := range ev.got {
			if m.Type == wire.TypeReply {
				break
			}
			if m.Type == wire.TypeChunk {
				got += len(m.Body) - wire.ChunkHeader
			}
		}
		if got != 2<<20 {
			t.Fatalf("%d bytes came", got)
		}
		ev.alive(3)
	})
}

// The stream and the answer behind it have one credit, and a handler that left
// a writer behind writes nothing into the answer.
func TestLargeAnswerGoesOnWithTheCreditOfItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bob := newParty(t, "bob", ServerConfig{})
		late := make(chan error, 2)
		bob.handle(t, "pour", func(_ context.Context, c *commands.Call) (any, error) {
			if _, err := c.Pipe.Write(nil, make([]byte, wire.CallCredit-100)); err != nil {
				return nil, err
			}
			go func() { _, err := c.Pipe.Write(nil, make([]byte, 1000)); late <- err }()
			time.Sleep(time.Second)
			return make([]byte, 1<<20), nil
		})
		ev, _ := newEvil(t, bob, Config{})
		ev.stream(1, "pour")
		time.Sleep(2 * time.Second)
		if got := ev.chunks(); got[1] != wire.CallCredit {
			t.Fatalf("%d bytes came without a grant", got[1])
		}
		if err := <-late; !errors.Is(err, ErrWriteClosed) && !errors.Is(err, ErrEnded) {
			t.Fatalf("what the handler left behind: %v", err)
		}
		ev.grant(1, 50)
		if got := ev.chunks(); got[1] != 50 {
			t.Fatalf("%d bytes came for a grant of 50", got[1])
		}
	})
}

// Streams that nobody reads fill their budget and no more; who comes too late is
// told, at either end, and the others go on.
func TestUnreadStreamsStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 1 << 20
		a, b := newParty(t, "alice", ServerConfig{StreamBytes: budget}), newParty(t, "bob", ServerConfig{StreamBytes: budget})
		b.handle(t, "deaf", deaf)
		b.handle(t, "pour", func(_ context.Context, c *commands.Call) (any, error) {
			return c.Pipe.Write(nil, make([]byte, 1<<20))
		})
		e := connect(t, a, b, Config{})
		for path, filled := range map[string]*party{"deaf": b, "pour": a} {
			var open []*Stream
			for range 5 {
				s := mustOpen(t, e.a, request(path))
				open = append(open, s)
				if path == "deaf" {
					go func() { _, _ = s.Write(nil, make([]byte, 1<<20)) }() // ends with the stream
				}
				synctest.Wait()
			}
			stats := filled.server.Stats()
			if stats.StreamPeak > budget || stats.StreamPeak < budget-2*wire.CallCredit || stats.Overloaded == 0 {
				t.Fatalf("%s: %+v", path, stats)
			}
			if !closed(open[4].Done()) || closed(open[0].Done()) {
				t.Fatalf("%s: the last is open or the first is not", path)
			}
			_, err := open[4].Result()
			if !errors.Is(err, commands.ResourceExhausted) {
				t.Fatalf("%s: %v", path, err)
			}
			for _, s := range open {
				s.Cancel()
			}
			synctest.Wait()
			checkStreams(t, e)
			if n := b.server.Stats().Running; n != 0 {
				t.Fatalf("%s: %d handlers run", path, n)
			}
		}
	})
}
