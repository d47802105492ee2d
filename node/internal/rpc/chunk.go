package rpc

import (
	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// onChunk takes a part of a large message. Link credit is returned for each,
// whatever becomes of it.
func (c *Conn) onChunk(body []byte) error {
	chunk, err := wire.ParseChunk(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.granted = false
	err = c.takeChunk(chunk)
	granted := c.granted
	c.mu.Unlock()
	if granted {
		c.link.FlushSoon()
	}
	return err
}

// takeChunk is onChunk for a chunk that was read. The caller holds mu.
func (c *Conn) takeChunk(chunk wire.Chunk) error {
	if err := c.takeLink(len(chunk.Bytes)); err != nil {
		return err
	}
	switch kind := chunk.Flags & (wire.ChunkCall | wire.ChunkReply | wire.ChunkFail); kind {
	case wire.ChunkCall:
		return c.onCallChunk(chunk)
	case wire.ChunkReply, wire.ChunkFail:
		return c.onAnswerChunk(chunk, kind)
	}
	return c.onStreamChunk(chunk)
}

// onStreamChunk takes a part of a stream. One for a call that is no stream is
// ignored like one for a call that has ended. The caller holds mu.
func (c *Conn) onStreamChunk(chunk wire.Chunk) error {
	if p := c.pending[chunk.Number]; p != nil && p.stream != nil {
		return c.toStream(p.stream, chunk)
	}
	sv := c.served[chunk.Number]
	switch {
	case sv == nil:
		return nil
	case sv.in != nil:
		return ErrMixed
	case sv.pipe == nil && sv.unread != nil:
		c.openPipe(sv)
	case sv.pipe == nil:
		return nil
	}
	ok, err := sv.pipe.arrive(chunk)
	if !ok {
		why := exhausted("no memory left for what comes of the stream")
		why.Executed = commands.ExecutedMaybe
		sv.pipe.abort(why)
		c.answerLocked(sv, why)
	}
	return err
}

// toStream takes a part of an own stream.
func (c *Conn) toStream(s *Stream, chunk wire.Chunk) error {
	s.begin()
	ok, err := s.arrive(chunk)
	switch {
	case !ok:
		c.giveUp(s.number, &s.pending, "no memory left for what comes of the stream")
	case s.closed && err == nil: // only a REPLY or FAIL can follow
		s.window.refill(c, s.number)
	}
	return err
}

// takeLink uses up the peer's link credit and returns it in portions.
func (c *Conn) takeLink(n int) error {
	c.recvCredit -= int64(n)
	if c.recvCredit < 0 {
		return ErrCredit
	}
	c.recvOwed += int64(n)
	if c.recvOwed > 0 && c.recvOwed >= int64(c.cfg.LinkCredit)/4 {
		c.grant(0, c.recvOwed)
		c.recvCredit += c.recvOwed
		c.recvOwed = 0
	}
	return nil
}

// onAnswerChunk takes a part of a large REPLY or FAIL.
func (c *Conn) onAnswerChunk(chunk wire.Chunk, kind uint8) error {
	p := c.pending[chunk.Number]
	if p == nil {
		if chunk.Flags&wire.ChunkEnd != 0 { // once for the whole answer
			c.stray()
		}
		return nil
	}
	if p.in == nil {
		number := chunk.Number
		p.in = c.newAssembly(number, kind, func() { c.answerIdle(number, p) })
		if p.stream != nil && p.in != nil {
			p.in.window, p.in.bounded, p.stream.closed = p.stream.window, true, true
		}
	}
	if p.in == nil {
		c.giveUp(chunk.Number, p, "no memory left for the answer")
		return nil
	}
	if p.in.kind != kind {
		return ErrMixed
	}
	if err := p.in.spend(len(chunk.Bytes)); err != nil {
		return err
	}
	if !p.in.add(chunk.Bytes) {
		c.giveUp(chunk.Number, p, "the answer is too large")
		return nil
	}
	if chunk.Flags&wire.ChunkEnd != 0 {
		came, charged := p.in.complete()
		c.server.release(charged)
		p.in = nil
		c.traffic.In.Answers.Add(1)
		c.finish(chunk.Number, p, result{failed: kind == wire.ChunkFail, large: came})
	}
	return nil
}

// giveUp ends an own call whose large answer cannot be received, and tells the
// peer to stop sending it. The caller holds mu.
func (c *Conn) giveUp(number uint64, p *pending, why string) {
	c.server.counters.overloaded.Add(1)
	c.finish(number, p, result{err: &commands.Error{
		Code: commands.ResourceExhausted, Message: why,
		Executed: commands.ExecutedYes, Where: commands.WhereCaller,
	}})
	c.postCancel(number)
}

// postCancel posts a CANCEL that wants no answer.
func (c *Conn) postCancel(number uint64) {
	var body [9]byte
	c.post(wire.TypeCancel, wire.AppendCancel(body[:0], wire.Cancel{Number: number, Mode: wire.CancelSilent}))
}

// answerIdle ends an own call whose large answer stopped coming.
func (c *Conn) answerIdle(number uint64, p *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[number] != p || p.in == nil || c.stillComes(p.in) {
		return
	}
	c.server.counters.stalled.Add(1)
	c.finish(number, p, result{err: &commands.Error{
		Code: commands.Unavailable, Message: "the answer stopped coming",
		Executed: commands.ExecutedYes, Where: commands.WherePath,
	}})
	c.postCancel(number)
}

// stillComes tells whether an assembly had a chunk lately, and if so waits on.
func (c *Conn) stillComes(a *assembly) bool {
	left := c.cfg.Timers.Stall - a.idleFor()
	if left <= 0 {
		return false
	}
	a.timer.Reset(left)
	return true
}
