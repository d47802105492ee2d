package rpc

import (
	"context"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// FuzzServeMessages feeds any sequence of messages to a Conn that has a call and
// a stream of its own pending: nothing panics, what is held stays within the budget, and
// nothing is held after the end.
func FuzzServeMessages(f *testing.F) {
	for _, sequence := range fuzzSeeds() {
		f.Add(sequence)
	}
	const budget = 256 << 10
	a, b := newParty(f, "alice", ServerConfig{}), newParty(f, "bob", ServerConfig{})
	b.handle(f, "repeat", repeater)
	ca, cb := newMemory()
	la, lb := joined(f, a, b, ca, cb)
	ended := make(chan struct{})
	go func() { // takes what the Conn answers
		defer close(ended)
		_ = la.Run(func(wire.Message) error { return nil })
	}()
	f.Cleanup(func() { lb.Close(nil); la.Close(nil); <-ended })
	f.Fuzz(func(t *testing.T, sequence []byte) {
		server := NewServer(ServerConfig{Tree: b.tree, AssemblyBytes: budget, StreamBytes: budget, MaxPerPeer: 4})
		c := New(lb, server, Config{LinkCredit: 64 << 10})
		p := c.newPending(nil, time.Time{})
		if _, err := c.begin(p); err != nil {
			t.Fatal(err)
		}
		s := c.newStream(nil)
		if _, err := c.begin(&s.pending); err != nil {
			t.Fatal(err)
		}
		err := feed(t, c, sequence, budget)
		c.end(err)
		c.memory.Lost()
		c.work.Wait()
		<-p.done
		<-s.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s := server.Stats(); s.Assembly != 0 || s.Streams != 0 || c.streams != 0 || s.Running != 0 || len(c.pending)+len(c.served) != 0 {
			t.Fatalf("left over: %+v, %d pending, %d served", s, len(c.pending), len(c.served))
		}
	})
}

// feed cuts the sequence into messages and dispatches each.
func feed(t *testing.T, c *Conn, sequence []byte, budget int64) error {
	for len(sequence) > 0 {
		m, rest, err := wire.CutMessage(sequence)
		if err != nil {
			return err
		}
		sequence = rest
		if err := c.dispatch(m); err != nil {
			return err
		}
		c.mu.Lock()
		open := c.assembling
		c.mu.Unlock()
		held, streams := c.server.assembly.Load(), c.server.streams.Load()
		if held > budget || open > 4 || streams > budget {
			t.Fatalf("%d bytes held in %d assemblies, %d of streams", held, open, streams)
		}
	}
	return ErrClosed
}

func fuzzSeeds() [][]byte {
	call := wire.Call{Number: 1, Path: "echo", Args: []byte{0x91, 1}, Remaining: time.Minute}
	large := wire.AppendCallBody(nil, call)
	chunk := func(dst []byte, number uint64, flags uint8, b []byte) []byte {
		return wire.AppendMessage(dst, wire.TypeChunk, wire.AppendChunkHeader(nil, number, flags), b)
	}
	one := wire.AppendMessage(nil, wire.TypeCall, wire.AppendCall(nil, call))
	repeat := call
	repeat.Number, repeat.Flags = 3, wire.CallRepeat
	twice := wire.AppendMessage(append([]byte(nil), one...), wire.TypeCall, wire.AppendCall(nil, repeat))
	split := chunk(chunk(nil, 1, wire.ChunkCall, large[:9]), 1, wire.ChunkCall|wire.ChunkEnd, large[9:])
	answers := chunk(chunk(nil, 2, wire.ChunkReply, make([]byte, 9000)), 2, wire.ChunkReply|wire.ChunkEnd, nil)
	call.Path, call.Flags = "repeat", wire.CallStream
	stream := wire.AppendMessage(nil, wire.TypeCall, wire.AppendCall(nil, call))
	stream = chunk(chunk(stream, 1, 0, []byte("abc")), 1, wire.ChunkEnd, nil)
	largeStream := chunk(nil, 1, wire.ChunkCall|wire.ChunkEnd, wire.AppendCallBody(nil, call))
	largeStream = chunk(chunk(largeStream, 1, 0, make([]byte, 9000)), 1, wire.ChunkEnd, []byte("abc"))
	own := chunk(chunk(nil, 4, 0, nil), 4, 0, []byte("abc"))
	own = chunk(chunk(own, 4, wire.ChunkEnd, nil), 4, wire.ChunkReply|wire.ChunkEnd, make([]byte, 9000))
	control := wire.AppendMessage(nil, wire.TypePing, make([]byte, 8))
	control = wire.AppendMessage(control, wire.TypePong, []byte{7: 1})
	control = wire.AppendMessage(control, wire.TypeCredit, wire.AppendCredit(nil, wire.Credit{Number: 2, Bytes: 9}))
	control = wire.AppendMessage(control, wire.TypeBye, wire.AppendBye(nil, wire.Bye{Text: "x"}))
	control = wire.AppendMessage(control, wire.TypeByeAck, wire.AppendBye(nil, wire.Bye{}))
	return [][]byte{
		one, twice, split, answers, control, stream, largeStream, own,
		wire.AppendMessage(nil, wire.TypeReply, wire.AppendReply(nil, wire.Reply{Number: 2})),
		wire.AppendMessage(nil, wire.TypeFail, wire.AppendFail(nil, wire.Fail{Number: 2, Code: 5})),
		wire.AppendMessage(append([]byte(nil), one...), wire.TypeCancel, wire.AppendCancel(nil, wire.Cancel{Number: 1})),
	}
}
