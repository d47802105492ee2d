package rpc

import (
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// assemblyCost is what an assembly is charged beside its bytes.
const assemblyCost = 512

// widenFrom is how much of a message has come before its window gets wider: most
// messages that are smaller need no more credit than they have.
const widenFrom = 32 << 10

// assembly is a large message that arrives as chunks. The Conn's mu guards it.
// Its memory is charged to the Server's budget as it grows, so it is held only
// for bytes that have come, within a factor of two or one block.
type assembly struct {
	conn    *Conn
	number  uint64
	kind    uint8 // wire.ChunkCall, ChunkReply or ChunkFail
	came    *pieces
	charged int64
	window
	bounded bool // it answers a stream and goes on with the stream's window
	began   time.Time
	latest  time.Time
	timer   *time.Timer
}

// newAssembly begins one; nil when the budget is used up.
func (c *Conn) newAssembly(number uint64, kind uint8, onIdle func()) *assembly {
	if !c.server.hold(assemblyCost) {
		return nil
	}
	now := time.Now()
	return &assembly{
		conn: c, number: number, kind: kind, came: new(pieces), charged: assemblyCost, window: fullWindow(),
		began: now, latest: now, timer: time.AfterFunc(c.cfg.Timers.Stall, onIdle),
	}
}

// add takes a chunk's bytes and returns the credit; false when the message is
// too large or the budget used up.
func (a *assembly) add(b []byte) bool {
	if !a.room(len(b)) {
		return false
	}
	a.came.add(b)
	a.latest = time.Now()
	if a.wider == 0 && a.came.size >= widenFrom && !a.streams() {
		a.widen(a.conn.cfg.LinkCredit)
	}
	a.owe(a.conn, a.number, len(b))
	return true
}

// streams tells whether the message may be a stream's, whose window bounds memory.
func (a *assembly) streams() bool {
	if a.kind != wire.ChunkCall {
		return a.bounded
	}
	flags, ok := wire.PeekCallFlags(a.came.parts[0])
	return !ok || flags&wire.CallStream != 0
}

// room charges what n more bytes take.
func (a *assembly) room(n int) bool {
	if a.came.size+n > wire.MaxBig {
		return false
	}
	more := int64(a.came.growth(n))
	if more > 0 && !a.conn.server.hold(more) {
		return false
	}
	a.charged += more
	return true
}

// idleFor is how long no chunk has come.
func (a *assembly) idleFor() time.Duration { return time.Since(a.latest) }

// discard drops what has come.
func (a *assembly) discard() {
	a.timer.Stop()
	a.conn.server.release(a.charged)
	a.charged = 0
	a.came.discard()
}

// complete hands out the message and what it is charged, its bytes alone, which
// the caller releases.
func (a *assembly) complete() (came *pieces, charged int64) {
	a.timer.Stop()
	came, charged = a.came, int64(a.came.size)
	a.conn.server.release(a.charged - charged)
	a.came, a.charged = new(pieces), 0
	return came, charged
}
