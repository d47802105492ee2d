package rpc

import (
	"context"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// maxCredit clamps credit, so that a peer that grants without end cannot
// overflow the sum.
const maxCredit = 1 << 40

// outflow is one large message being sent. The Conn's mu guards it, except wake.
type outflow struct {
	conn    *Conn
	number  uint64
	kind    uint8 // wire.ChunkCall, ChunkReply or ChunkFail
	credit  int64 // of the call
	granted time.Time
	waiting bool          // in Conn.hungry
	ended   bool          // nobody wants the rest
	wake    chan struct{} // capacity 1: look again
}

func (c *Conn) newOutflow(number uint64, kind uint8) *outflow {
	return &outflow{
		conn: c, number: number, kind: kind, credit: wire.CallCredit,
		granted: time.Now(), wake: make(chan struct{}, 1),
	}
}

func (o *outflow) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// stop makes the sender give up.
func (o *outflow) stop() {
	o.ended = true
	o.nudge()
}

func (o *outflow) grow(bytes int64) {
	o.credit = min(o.credit+bytes, maxCredit)
	o.granted = time.Now()
	o.nudge()
}

// growLink takes link credit and lets the one who waits longest go on.
func (c *Conn) growLink(bytes int64) {
	c.sendCredit = min(c.sendCredit+bytes, maxCredit)
	c.lastCredit = time.Now()
	c.feed()
}

func (c *Conn) feed() {
	if len(c.hungry) > 0 && c.sendCredit > 0 {
		c.hungry[0].nudge()
	}
}

// take uses up credit for at most want bytes and returns for how many; 0 means
// to wait. Who lacks link credit waits in line, so that none starves.
func (o *outflow) take(want int) int {
	c := o.conn
	n := min(int64(want), o.credit)
	if n <= 0 {
		return 0
	}
	first := len(c.hungry) == 0 || c.hungry[0] == o
	if !first || c.sendCredit <= 0 {
		if !o.waiting {
			o.waiting = true
			c.hungry = append(c.hungry, o)
		}
		return 0
	}
	n = min(n, c.sendCredit)
	o.credit -= n
	c.sendCredit -= n
	o.leaveLine()
	return int(n)
}

// leaveLine gives up the place among those who wait for link credit.
func (o *outflow) leaveLine() {
	if !o.waiting {
		return
	}
	c := o.conn
	o.waiting = false
	c.hungry = slices.DeleteFunc(c.hungry, func(h *outflow) bool { return h == o })
	c.feed()
}

// send sends body as chunks. begin, when set, is called under mu right before
// the first chunk and gives the call its number; sent, when set, right after
// the last one. send ends early, without an error, when the outflow was
// stopped or the Conn ended.
func (o *outflow) send(ctx context.Context, body []byte, begin func() error, sent func()) error {
	c := o.conn
	defer func() {
		c.mu.Lock()
		o.leaveLine()
		c.mu.Unlock()
		c.link.FlushLater() // what an early end left
	}()
	burst, ahead := c.burstOf(), 0 // bytes posted and not yet sent
	for len(body) > 0 {
		if err := c.link.Room(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return nil // the link has ended
		}
		n, err := o.step(body, &begin, sent)
		if err != nil {
			return err
		}
		if n < 0 {
			return nil
		}
		if n == 0 {
			c.link.FlushLater() // credit comes for what was sent
			if err := o.wait(ctx); err != nil {
				return err
			}
			continue
		}
		body = body[n:]
		if ahead += n; ahead >= burst || len(body) == 0 {
			c.link.Flush()
			ahead = 0
		}
	}
	return nil
}

// burstOf is how many bytes of a large message are sent at once. A token is worth
// sending alone: while the peer opens it, the next one is made. Bulk frames cost
// less than the system's part of sending them.
func (c *Conn) burstOf() int {
	if c.link.Agreement().Bulk() {
		return 3 * wire.MaxChunk
	}
	return wire.MaxChunk
}

// step posts the next chunk, as large as credit allows, and returns how many
// bytes it took; -1 when the outflow has ended.
func (o *outflow) step(body []byte, begin *func() error, sent func()) (int, error) {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.ended {
		return -1, nil
	}
	if c.ended && *begin == nil {
		return -1, nil
	}
	n := o.take(min(len(body), wire.MaxChunk))
	if n == 0 && !c.ended {
		return 0, nil
	}
	if *begin != nil {
		if err := (*begin)(); err != nil {
			return 0, err
		}
		*begin = nil
	}
	flags := o.kind
	if n == len(body) {
		flags |= wire.ChunkEnd
	}
	var head [wire.ChunkHeader]byte
	if c.put(wire.TypeChunk, wire.AppendChunkHeader(head[:0], o.number, flags), body[:n]) != nil {
		return -1, nil
	}
	if n == len(body) && sent != nil {
		sent()
	}
	return n, nil
}

// wait waits for credit, and at most the stall time without any.
func (o *outflow) wait(ctx context.Context) error {
	stall := o.conn.cfg.Timers.Stall
	timer := time.NewTimer(stall)
	defer timer.Stop()
	for {
		select {
		case <-o.wake:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case now := <-timer.C:
			left := stall - now.Sub(o.lastProgress())
			if left <= 0 {
				o.conn.server.counters.stalled.Add(1)
				return errStalled
			}
			timer.Reset(left)
		}
	}
}

// lastProgress is when credit of the kind that this message lacks last came.
func (o *outflow) lastProgress() time.Time {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.waiting && c.lastCredit.After(o.granted) {
		return c.lastCredit
	}
	return o.granted
}
