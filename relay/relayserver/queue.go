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
//
// Whoever puts something in starts the writer, at once or with what else it has.
type queue struct {
	limit int
	stop  time.Duration
	gate  *gate

	mu          sync.Mutex
	closed      bool
	writing     bool   // whether there is a writer, who sees what is put in
	first, last *block // what waits, in its order
	held        int    // bytes of records in the blocks
	gones       int    // bytes of GONEs in the blocks
	put, took   uint64 // bytes that came to and left blocks, ever
	control     []byte
	pong        relay.Echo
	answer      bool // whether pong is to be sent: one is enough to show life
	presence    presence
	full        time.Time     // since when nothing went in; zero if it does
	room        chan struct{} // closed when there is room; nil if nobody waits
}

// verdict is what became of a frame.
type verdict uint8

const (
	taken    verdict = iota // it waits to be written
	wait                    // there is no room; try again when there is
	overflow                // there was none for too long
	left                    // the client has left
)

// records adds RECVs if there is room for all of them.
func (q *queue) records(frames []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed && q.add(frames)
}

// record adds a RECV. For the verdict wait it says on what, and for how long at
// most.
func (q *queue) record(frame []byte) (v verdict, room <-chan struct{}, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return left, nil, 0
	case q.add(frame):
		return taken, nil, 0
	}
	return q.refuse()
}

// add adds RECVs if there is room. The caller holds mu.
func (q *queue) add(frames []byte) bool {
	n := len(frames)
	if q.held+n > q.limit {
		return false
	}
	b := q.tail(n, false)
	if b == nil {
		return false
	}
	b.frames = append(b.frames, frames...)
	b.records += n
	q.held += n
	q.accept(n)
	return true
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

// tail returns the block that frames of n bytes go to.
func (q *queue) tail(n int, force bool) *block {
	if b := q.last; b != nil && len(b.frames)+n <= cap(b.frames) {
		return b
	}
	b := q.gate.block(n, force)
	switch {
	case b == nil:
	case q.last == nil:
		q.first, q.last = b, b
	default:
		q.last.next, q.last = b, b
	}
	return b
}

// accept notes that n bytes went in. The caller holds mu.
func (q *queue) accept(n int) {
	q.put += uint64(n)
	q.full = time.Time{}
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

// begin reports whether there is something to write and nobody who does it: then
// the caller, who holds mu, writes.
func (q *queue) begin() bool {
	if q.writing || q.closed || q.empty() {
		return false
	}
	q.writing = true
	return true
}

func (q *queue) empty() bool {
	return q.first == nil && len(q.control) == 0 && !q.answer && len(q.presence.order) == 0
}

// take returns what to write next: control frames, then a block, which the caller
// frees. Without either, the caller writes no longer.
func (q *queue) take() (control []byte, data *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	control, q.control = q.control, nil
	if q.answer {
		control = relay.AppendPong(control, q.pong)
		q.answer = false
	}
	control = q.presence.take(control, q.took)
	if q.first != nil {
		data = q.pop()
	}
	q.writing = len(control) > 0 || data != nil
	return control, data
}

// pop removes the first block and lets waiting senders try again.
func (q *queue) pop() *block {
	b := q.first
	if q.first = b.next; q.first == nil {
		q.last = nil
	}
	b.next = nil
	q.held -= b.records
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
	for q.first != nil {
		q.gate.free(q.pop())
	}
	q.held, q.gones, q.control, q.answer, q.presence = 0, 0, nil, false, presence{}
	q.release()
}
