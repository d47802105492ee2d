package rpc

import (
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// admit takes a place for a call, unless the link is parting.
func (c *Conn) admit(sv *served, bytes int) (admission, time.Duration) {
	c.mu.Lock()
	said := c.said
	c.mu.Unlock()
	if said {
		return linkParts, 0
	}
	sv.ticket.sv = sv
	return c.server.gate.reserve(c.lane, &sv.ticket, bytes)
}

// hopeless tells from the first bytes of a CALL's msgpack whether it would be
// refused. A call that the ledger may know is not: the ledger answers it.
func (c *Conn) hopeless(head []byte, bytes int) (admission, time.Duration) {
	a, after := c.server.gate.full(c.lane, bytes)
	if a.accepted() {
		return a, 0
	}
	if id, ok := peekID(head); !ok || c.memory.Knows(id, true) {
		return queued, 0
	}
	return a, after
}

// shed refuses a CALL for which there is no place, and keeps nothing of it: it
// is neither copied nor decoded, and no goroutine is made. False means that it
// has to be looked at. It runs on the reader, which then and again pauses.
func (c *Conn) shed(number uint64, body []byte) bool {
	a, after := c.hopeless(body, len(body))
	if a.accepted() || a >= nodeDrains {
		c.refusals = 0
		return false
	}
	if !c.postShed(number, a, after) {
		return false
	}
	c.server.counters.overloaded.Add(1)
	c.server.counters.full[a].Add(1)
	c.breathe()
	return true
}

// postShed enters a call's number and answers it; false when the number is
// wrong or the node parts, which others see to.
func (c *Conn) postShed(number uint64, a admission, after time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number <= c.latest || number&1 == c.next&1 || c.said {
		return false
	}
	c.latest = number
	c.lastUse = time.Now()
	c.scratch = wire.AppendFail(c.scratch[:0], wire.Fail{
		Number: number, Code: uint32(commands.ResourceExhausted), Message: a.words(),
		Executed: wire.ExecutedNo, Where: uint8(commands.WhereQueue), RetryAfter: after,
	})
	c.answeredWith(commands.ResourceExhausted)
	c.post(wire.TypeFail, c.scratch)
	return true
}

const (
	refusalRun   = 128                  // refusals without an accepted call between them
	refusalPause = 5 * time.Millisecond // far below what makes a PONG late
)

// breathe stops reading a link for a moment after a run of refusals, so that
// the peer's transport slows it down. This costs that peer alone.
func (c *Conn) breathe() {
	c.refusals++
	if c.refusals < refusalRun {
		return
	}
	c.refusals = 0
	c.server.counters.slowed.Add(1)
	c.rest(refusalPause)
}

// burstPause is how long a link is not read after a burst of calls. Handlers
// are goroutines among which the scheduler knows no peers: without pauses the
// calls of the others wait behind all that one peer can send.
const burstPause = 4 * time.Millisecond

// pace lets others go first after a burst of calls. It runs on the reader.
func (c *Conn) pace() {
	c.burst++
	if c.burst < c.server.cfg.burst() {
		return
	}
	c.burst = 0
	if c.server.gate.crowds(c.lane) {
		c.server.counters.paced.Add(1)
		c.rest(burstPause)
	}
}

// rest keeps the reader from reading for a moment.
func (c *Conn) rest(d time.Duration) {
	c.link.FlushLater() // the answers of quick commands
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.link.Done():
	}
}
