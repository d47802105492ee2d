package rpc

import (
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

const (
	// firstBuffer is what an assembly begins with when its first chunk is full.
	firstBuffer = 32 << 10
	// assemblyCost is what an assembly is charged beside its buffer.
	assemblyCost = 512
)

// assembly is a large message that arrives as chunks. The Conn's mu guards it.
// Its buffer is charged to the Server's budget as it grows, so memory is held
// only for bytes that have come, within a factor of two.
type assembly struct {
	conn    *Conn
	number  uint64
	kind    uint8 // wire.ChunkCall, ChunkReply or ChunkFail
	buf     []byte
	charged int64
	window
	began  time.Time
	latest time.Time
	timer  *time.Timer
}

// newAssembly begins one; nil when the budget is used up.
func (c *Conn) newAssembly(number uint64, kind uint8, onIdle func()) *assembly {
	if !c.server.hold(assemblyCost) {
		return nil
	}
	now := time.Now()
	return &assembly{
		conn: c, number: number, kind: kind, charged: assemblyCost, window: fullWindow(),
		began: now, latest: now, timer: time.AfterFunc(c.cfg.Timers.Stall, onIdle),
	}
}

// add takes a chunk's bytes and returns the credit; false when the message is
// too large or the budget used up.
func (a *assembly) add(b []byte) bool {
	if !a.room(len(b)) {
		return false
	}
	a.buf = append(a.buf, b...)
	a.latest = time.Now()
	a.owe(a.conn, a.number, len(b))
	return true
}

// room makes the buffer large enough for n more bytes.
func (a *assembly) room(n int) bool {
	need := len(a.buf) + n
	if need <= cap(a.buf) {
		return true
	}
	if need > wire.MaxBig {
		return false
	}
	size := min(max(2*cap(a.buf), need), wire.MaxBig)
	if a.buf == nil && n > wire.MaxChunk/2 {
		size = firstBuffer
	}
	more := int64(size - cap(a.buf))
	if !a.conn.server.hold(more) {
		return false
	}
	a.charged += more
	grown := make([]byte, len(a.buf), size)
	copy(grown, a.buf)
	a.buf = grown
	return true
}

// idleFor is how long no chunk has come.
func (a *assembly) idleFor() time.Duration { return time.Since(a.latest) }

// discard drops what has come.
func (a *assembly) discard() {
	a.timer.Stop()
	a.conn.server.release(a.charged)
	a.charged, a.buf = 0, nil
}

// complete hands out the message and what it is charged, which the caller
// releases.
func (a *assembly) complete() (body []byte, charged int64) {
	a.timer.Stop()
	body, charged = a.buf, a.charged
	a.buf, a.charged = nil, 0
	return body, charged
}
