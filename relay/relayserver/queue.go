package relayserver

import (
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// goneMost bounds the GONEs that wait for one client, in bytes: some 8,000.
const goneMost = 256 << 10

// Lengths of the frames that a queue counts.
const (
	goneFrame  = relay.HeaderLen + 16 + 8 + 1
	recordHead = relay.HeaderLen + 16 + 8
)

// queue is what waits to be written to one client. Records and GONEs leave in
// the order in which they came, so that a GONE never overtakes the last records
// of its session. Everything else leaves first, but for DOWN, which follows the
// records of the member that left. Records are bounded by limit and by the gate;
// the rest by its nature.
type queue struct {
	limit int
	stop  time.Duration
	gate  *gate
	wake  chan struct{} // a signal, for the writer

	mu        sync.Mutex
	closed    bool
	blocks    []*block
	records   int    // bytes of records in blocks
	gones     int    // bytes of GONEs in blocks
	put, took uint64 // bytes that came to and left blocks, ever
	control   []byte
	pong      relay.Echo
	answer    bool // whether pong is to be sent: one is enough to show life
	presence  presence
	full      time.Time     // since when nothing went in; zero if it does
	room      chan struct{} // closed when there is room; nil if nobody waits
}

// verdict is what became of a frame.
type verdict uint8

const (
	taken    verdict = iota // it waits to be written
	wait                    // there is no room; try again when there is
	overflow                // there was none for too long
	left                    // the client has left
)

// record adds a record from a member. For the verdict wait it says on what, and
// for how long at most.
func (q *queue) record(from relay.Addr, r relay.Record) (v verdict, room <-chan struct{}, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := recordHead + len(r.Body)
	if q.closed {
		return left, nil, 0
	}
	var b *block
	if q.records+n <= q.limit {
		b = q.tail(n, false)
	}
	if b == nil {
		return q.refuse()
	}
	b.frames = relay.AppendRecv(b.frames, relay.Record{Peer: from, Session: r.Session, Body: r.Body})
	b.records += n
	q.records += n
	q.accept(n)
	return taken, nil, 0
}

// gone adds a GONE, which counts little and does not wait for the gate.
func (q *queue) gone(g relay.Gone) (v verdict, room <-chan struct{}, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return left, nil, 0
	}
	if q.gones+goneFrame > goneMost {
		return q.refuse()
	}
	b := q.tail(goneFrame, true)
	b.frames = relay.AppendGone(b.frames, g)
	b.gones += goneFrame
	q.gones += goneFrame
	q.accept(goneFrame)
	return taken, nil, 0
}

// tail returns the block that a frame of n bytes goes to.
func (q *queue) tail(n int, force bool) *block {
	if len(q.blocks) > 0 {
		if b := q.blocks[len(q.blocks)-1]; len(b.frames)+n <= cap(b.frames) {
			return b
		}
	}
	b := q.gate.block(n, force)
	if b != nil {
		q.blocks = append(q.blocks, b)
	}
	return b
}

// accept notes that n bytes went in. The caller holds mu.
func (q *queue) accept(n int) {
	q.put += uint64(n)
	q.full = time.Time{}
	q.signal()
}

// refuse says how long there has been no room. The time runs for all senders
// together, so that none has to wait again for what the others waited for.
func (q *queue) refuse() (verdict, <-chan struct{}, time.Duration) {
	now := time.Now()
	if q.full.IsZero() {
		q.full = now
	}
	most := q.full.Add(q.stop).Sub(now)
	if most <= 0 {
		return overflow, nil, 0
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return wait, q.room, most
}

// tell adds to what leaves first.
func (q *queue) tell(add func(q *queue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		add(q)
		q.signal()
	}
}

func (q *queue) up(a relay.Addr)   { q.tell(func(q *queue) { q.presence.up(a) }) }
func (q *queue) down(a relay.Addr) { q.tell(func(q *queue) { q.presence.down(a, q.put) }) }
func (q *queue) cast(a relay.Addr, token []byte) {
	q.tell(func(q *queue) { q.presence.cast(a, token) })
}
func (q *queue) echo(e relay.Echo) { q.tell(func(q *queue) { q.pong, q.answer = e, true }) }
func (q *queue) frame(frame []byte) {
	q.tell(func(q *queue) { q.control = append(q.control, frame...) })
}

// take returns what to write next, control frames in dst, then a block, which
// the caller frees. Neither means that there is nothing.
func (q *queue) take(dst []byte) (control []byte, data *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	control = append(dst[:0], q.control...)
	q.control = nil
	if q.answer {
		control = relay.AppendPong(control, q.pong)
		q.answer = false
	}
	control = q.presence.take(control, q.took)
	if len(q.blocks) > 0 {
		data = q.pop()
	}
	return control, data
}

// pop removes the first block and lets waiting senders try again.
func (q *queue) pop() *block {
	b := q.blocks[0]
	q.blocks[0] = nil
	if q.blocks = q.blocks[1:]; len(q.blocks) == 0 {
		q.blocks = nil
	}
	q.records -= b.records
	q.gones -= b.gones
	q.took += uint64(len(b.frames))
	q.full = time.Time{}
	q.release()
	return b
}

func (q *queue) release() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// close takes nothing more, drops what waits and lets the senders go.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, b := range q.blocks {
		q.gate.free(b)
	}
	q.blocks, q.records, q.gones, q.control, q.presence = nil, 0, 0, nil, presence{}
	q.release()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake already
	}
}
