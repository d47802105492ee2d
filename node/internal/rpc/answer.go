package rpc

import (
	"context"
	"encoding/binary"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// Acknowledgement is asked for when this much was answered without one.
const (
	ackOutcomes = 64
	ackBytes    = 64 << 10
	ackMost     = 16 << 10 // outcomes; a peer that acknowledges none waits for them to expire
)

// numberLen is the length of a call number before a message's msgpack.
const numberLen = 8

// Deliver sends a call's outcome to the peer. It runs on the handler's
// goroutine, for a repeat also on another call's or on the reader; so the
// large outcome of a repeat gets a goroutine of its own.
func (sv *served) Deliver(e *ledger.Entry, o ledger.Outcome) {
	c, large := sv.conn, large(o)
	if sv.here && !large {
		c.answerSmall(sv, e, o)
		c.link.FlushSoon()
		return
	}
	c.mu.Lock()
	owner := sv.owner
	c.mu.Unlock()
	switch {
	case large && owner:
		c.answerLarge(sv, e, o)
	case large:
		c.mu.Lock()
		if !c.ended {
			c.spawn(func() { c.answerLarge(sv, e, o) })
		}
		c.mu.Unlock()
	case owner:
		// Waiting here keeps the handler's place taken, so that a peer which
		// reads slowly is refused calls before its outbox overflows.
		_ = c.link.Room(context.Background()) // fails when the link has ended
		c.flush(c.answerSmall(sv, e, o))
	default:
		c.answerSmall(sv, e, o)
		c.link.FlushLater()
	}
}

// large tells whether an outcome does not fit one message.
func large(o ledger.Outcome) bool { return numberLen+len(o.Body) > wire.MaxMessage }

// answerSmall posts an outcome that fits one message, and returns how many calls
// of the peer were under way.
func (c *Conn) answerSmall(sv *served, e *ledger.Entry, o ledger.Outcome) (calls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls = len(c.served)
	if sv.ended {
		return calls
	}
	t := wire.TypeReply
	if o.Failed {
		t = wire.TypeFail
	}
	var number [numberLen]byte
	binary.BigEndian.PutUint64(number[:], sv.number)
	c.answeredWith(commands.Code(o.Code))
	if c.put(t, number[:], o.Body) == nil {
		c.answered(sv, e, len(o.Body))
	}
	c.drop(sv)
	return calls
}

// answerLarge sends an outcome as chunks.
func (c *Conn) answerLarge(sv *served, e *ledger.Entry, o ledger.Outcome) {
	kind := wire.ChunkReply
	if o.Failed {
		kind = wire.ChunkFail
	}
	out := c.newOutflow(sv.number, kind)
	c.mu.Lock()
	if sv.ended {
		c.mu.Unlock()
		return
	}
	sv.out = out
	if sv.pipe != nil { // its end first, so that the peer returns all credit
		sv.pipe.leave(out)
	}
	c.mu.Unlock()
	err := out.send(context.Background(), o.Body, nil, func() {
		c.answeredWith(commands.Code(o.Code))
		c.answered(sv, e, len(o.Body))
		c.drop(sv)
	})
	if err != nil { // the peer takes no more of it
		c.refuse(sv, tooSlow(err))
	}
}

// answered notes an outcome that the peer will have once it has read what is
// posted, and asks for an acknowledgement when there are many. The caller
// holds mu, and flushes. Of a stream nothing is kept.
func (c *Conn) answered(sv *served, e *ledger.Entry, bytes int) {
	if sv.pipe != nil {
		return
	}
	if len(c.unacked) == ackMost {
		c.unacked = nil
	}
	c.unacked = append(c.unacked, e)
	c.unackedBytes += bytes
	c.askForAck()
}

// askForAck asks for an acknowledgement when many outcomes have none and none is
// under way. The caller holds mu, and flushes.
func (c *Conn) askForAck() {
	if !c.acking && (len(c.unacked) >= ackOutcomes || c.unackedBytes >= ackBytes) {
		c.putPing(nil)
	}
}
