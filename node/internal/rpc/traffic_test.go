package rpc

import (
	"encoding/binary"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Answers to numbers that were never given out, or whose call has ended, are
// ignored and counted, once each, and the link goes on.
func TestS3_20_UnknownAnswersAreIgnoredAndCounted(t *testing.T) {
	bob := newParty(t, "bob", ServerConfig{})
	ev, conn := newEvil(t, bob, Config{})
	answer := binary.BigEndian.AppendUint64(nil, 4711)
	ev.post(wire.TypeReply, append(answer, 0xc0))
	ev.post(wire.TypeFail, append(answer, 0xc0))
	ev.chunk(4711, wire.ChunkReply, []byte{1})
	ev.chunk(4711, wire.ChunkReply, []byte{2})
	ev.chunk(4711, wire.ChunkReply|wire.ChunkEnd, []byte{3})
	ev.chunk(4711, wire.ChunkFail|wire.ChunkEnd, []byte{4})
	ev.chunk(4711, wire.ChunkEnd, []byte{5}) // of a stream: no answer
	ev.call(1, "echo", 0)
	ev.next(wire.TypeReply)
	if got := conn.traffic.Strays.Load(); got != 4 {
		t.Errorf("%d of one link, want 4", got)
	}
	if got := bob.server.Stats().Strays; got != 4 {
		t.Errorf("%d of the server, want 4", got)
	}
	in := &conn.traffic.In
	if in.Answers.Load() != 0 || in.Requests.Load() != 1 || in.Chunks.Load() != 5 || conn.traffic.Out.Answers.Load() != 1 {
		t.Errorf("in: %d answers, %d requests, %d chunks; out: %d answers",
			in.Answers.Load(), in.Requests.Load(), in.Chunks.Load(), conn.traffic.Out.Answers.Load())
	}
}

// Each answer has the code that the caller gets, also those that come before a
// command and those that are cut into chunks.
func TestS3_17_AnswersAreCountedByCode(t *testing.T) {
	bob := newParty(t, "bob", ServerConfig{})
	ev, _ := newEvil(t, bob, Config{})
	ev.call(1, "echo", 0)
	ev.next(wire.TypeReply)
	ev.call(3, "no.such", 0)
	ev.next(wire.TypeFail)
	ev.post(wire.TypeCall, append(binary.BigEndian.AppendUint64(nil, 5), 0xc0))
	ev.next(wire.TypeFail)
	s := bob.server.Stats()
	want := [len(s.Results)]uint64{0: 1, commands.NotFound: 1, commands.InvalidArgument: 1}
	if s.Results != want || s.Requests != 3 {
		t.Errorf("%d requests, answers by code %v, want %v", s.Requests, s.Results, want)
	}
}
