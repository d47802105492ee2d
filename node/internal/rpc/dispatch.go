package rpc

import (
	"encoding/binary"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// dispatch takes one message of the peer. It runs on the reader and never
// blocks. An error ends the link: the peer broke the protocol.
func (c *Conn) dispatch(m wire.Message) error {
	first := !c.heard
	c.heard = true
	c.traffic.In.note(m.Type)
	switch m.Type {
	case wire.TypeCall:
		return c.onCall(m.Body)
	case wire.TypeReply:
		return c.onAnswer(m, wire.ChunkReply)
	case wire.TypeFail:
		return c.onAnswer(m, wire.ChunkFail)
	case wire.TypeCancel:
		return c.onCancel(m.Body)
	case wire.TypeChunk:
		return c.onChunk(m.Body)
	case wire.TypeCredit:
		return c.onCredit(m.Body)
	case wire.TypePing:
		return c.onPing(m.Body)
	case wire.TypePong:
		return c.onPong(m.Body)
	case wire.TypeBye:
		return c.onBye(m.Body, first)
	case wire.TypeByeAck:
		return c.onByeAck(m.Body)
	}
	if c.cfg.OnMessage != nil {
		return c.cfg.OnMessage(m)
	}
	return nil
}

// onAnswer ends an own call with a REPLY or FAIL that fits one message.
func (c *Conn) onAnswer(m wire.Message, kind uint8) error {
	if len(m.Body) < 8 {
		return &wire.MalformedError{What: m.Type.String(), Field: "call number is cut short"}
	}
	number := binary.BigEndian.Uint64(m.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pending[number]
	if p == nil { // ended, or never begun
		c.stray()
		return nil
	}
	c.traffic.In.Answers.Add(1)
	body := append(make([]byte, 0, len(m.Body)-8), m.Body[8:]...)
	c.finishAt(c.link.Arrived(), number, p, result{failed: kind == wire.ChunkFail, body: body})
	return nil
}

// onCredit lets large messages go on.
func (c *Conn) onCredit(body []byte) error {
	credit, err := wire.ParseCredit(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if credit.Number == 0 {
		c.growLink(int64(credit.Bytes))
		return nil
	}
	if o := c.outflowOf(credit.Number); o != nil {
		o.grow(int64(credit.Bytes))
	}
	return nil
}

// outflowOf finds the large message under way of a call; nil when there is none.
func (c *Conn) outflowOf(number uint64) *outflow {
	if p := c.pending[number]; p != nil {
		return p.out
	}
	if sv := c.served[number]; sv != nil {
		return sv.out
	}
	return nil
}
