package relay

import (
	"encoding/binary"
	"sync"
	"time"
)

const (
	// batchMost is about how much goes out at a time: what a small record may
	// have to wait for, beside one large frame.
	batchMost = 32 << 10
	// quietLeast is how long nothing was written before who has a record writes
	// it. What comes closer together is left to the writer, and leaves together.
	quietLeast = 30 * time.Microsecond
	// turnMost is how much a channel may send in its turn, or one frame.
	turnMost = 8 << 10
	// outboxMost is how much of a channel waits before WriteRecord does.
	outboxMost = 64 << 10
	// controlMost bounds the GONEs that wait.
	controlMost = 256 << 10
	// turnsMost bounds the channels, ended ones too, that wait for their turn.
	turnsMost = 8192
)

// outgoing is what waits to be written. The control frames leave first, then the
// channels' in turn, so that none holds up another. GONE of a session is no
// control frame while records of it wait: it must not overtake them.
type outgoing struct {
	wake chan struct{} // a signal, for the writer

	mu      sync.Mutex
	closed  bool      // nothing is taken any more
	writing bool      // whether somebody writes, who sees what is put in
	handed  bool      // whether who wrote has left the rest to the writer
	wrote   time.Time // when there was nothing left to write
	control []byte    // frames
	token   []byte    // the latest presence token to be sent
	answer  *Echo     // the latest PING to be answered
	turns   []*outbox // channels with frames, in the order of their turns
	batch   []byte    // the writer's, between two calls of take
}

// outbox is what waits of one channel. All but room is guarded by outgoing.mu.
type outbox struct {
	frames   chunks
	start    int           // what of the first chunk has left
	unsent   int           // bytes of frames that have not
	inTurns  bool          // whether it is in turns
	closed   bool          // no more records
	deadline time.Time     // of WriteRecord
	room     chan struct{} // a signal, for who waits in WriteRecord
}

// put is what became of a record.
type put uint8

const (
	putFull   put = iota // there is no room yet
	putClosed            // nothing is taken any more
	putTaken             // it will be written
	putWrite             // it is to be written by who put it in
)

// record adds a record to its channel, or says until when to wait for room. When
// nothing was written for a while, who brings the record is to write it, if the
// connection can be written at once: more will hardly come to go with it.
func (o *outgoing) record(b *outbox, r Record, atOnce bool) (what put, by time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || b.closed {
		return putClosed, time.Time{}
	}
	if b.unsent >= outboxMost {
		return putFull, b.deadline
	}
	n := HeaderLen + recordHead + len(r.Body)
	c := b.frames.room(n)
	c.bytes = AppendSend(c.bytes, r)
	b.unsent += n
	o.turn(b)
	switch {
	case o.writing:
	case atOnce && time.Since(o.wrote) >= quietLeast:
		o.writing = true
		return putWrite, time.Time{}
	default:
		o.signal()
	}
	return putTaken, time.Time{}
}

// begin reports whether the caller, the writer, is to write: what waits, or what
// another has left.
func (o *outgoing) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing && !o.handed {
		return false
	}
	o.writing, o.handed = true, false
	return true
}

// leave ends the writing of who is not the writer. What came meanwhile, or could
// not be written, is left to the writer.
func (o *outgoing) leave(rest bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if rest || o.waits() || o.closed {
		o.handed = true
		o.signal()
		return
	}
	o.writing, o.wrote = false, time.Now()
}

// waits reports whether there is something to take. The caller holds mu.
func (o *outgoing) waits() bool {
	return len(o.turns) > 0 || len(o.control) > 0 || o.answer != nil || len(o.token) > 0
}

// queue gives a channel its place in the turns, and wakes the writer. The caller
// holds mu.
func (o *outgoing) queue(b *outbox) {
	o.turn(b)
	o.signal()
}

// turn gives a channel its place in the turns. The caller holds mu.
func (o *outgoing) turn(b *outbox) {
	if !b.inTurns {
		b.inTurns = true
		o.turns = append(o.turns, b)
	}
}

// finish adds GONE behind a channel's records. Nothing follows it. It reports
// false when the relay has let too many wait: ended channels count in no other
// limit.
func (o *outgoing) finish(b *outbox, g Gone) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || b.closed {
		return true
	}
	b.closed = true
	if b.unsent == 0 {
		return o.addGone(g)
	}
	const n = HeaderLen + goneLen
	c := b.frames.room(n)
	c.bytes = AppendGone(c.bytes, g)
	b.unsent += n
	o.queue(b)
	return len(o.turns) <= turnsMost
}

// drop throws away what waits of a channel.
func (o *outgoing) drop(b *outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.empty()
}

// empty drops what waits. Nobody may hold a part of it.
func (b *outbox) empty() {
	b.frames.drop()
	b.start, b.unsent = 0, 0
}

// end takes no more records of a channel, and unless what is there is to leave,
// drops it.
func (o *outgoing) end(b *outbox, leave bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !b.closed && !leave {
		b.empty()
	}
	b.closed = true
}

// gone adds a GONE of a session that has no channel. It reports false when too
// many wait.
func (o *outgoing) gone(g Gone) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.addGone(g)
}

func (o *outgoing) addGone(g Gone) bool {
	if len(o.control) >= controlMost {
		return false
	}
	o.control = AppendGone(o.control, g)
	o.signal()
	return true
}

// ping adds a PING.
func (o *outgoing) ping(e Echo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.control = AppendPing(o.control, e)
}

// pong sets the answer to the latest PING: one is enough to show life.
func (o *outgoing) pong(e Echo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = &e
	o.signal()
}

// cast sets the latest presence token. It reports false after the end.
func (o *outgoing) cast(token []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.token = append(o.token[:0], token...)
	o.signal()
	return true
}

// close takes nothing more; what is there leaves.
func (o *outgoing) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.signal()
}

func (o *outgoing) setDeadline(b *outbox, t time.Time) {
	o.mu.Lock()
	b.deadline = t
	o.mu.Unlock()
	b.signal() // who waits is to wait anew
}

// take returns what to write next, valid until the next call; nothing if there
// is nothing, and then whether that is the end. Who gets nothing writes no longer.
func (o *outgoing) take() (batch []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch = append(o.batch[:0], o.control...)
	o.control = o.control[:0]
	if o.answer != nil {
		o.batch = AppendPong(o.batch, *o.answer)
		o.answer = nil
	}
	if len(o.token) > 0 {
		o.batch = AppendCast(o.batch, o.token)
		o.token = o.token[:0]
	}
	for len(o.turns) > 0 && len(o.batch) < batchMost {
		b := o.turns[0]
		o.turns[0] = nil
		o.turns = o.turns[1:]
		o.batch = b.turn(o.batch)
		if b.inTurns = b.unsent > 0; b.inTurns {
			o.turns = append(o.turns, b)
		}
	}
	if len(o.batch) == 0 {
		o.writing, o.wrote = false, time.Now()
	}
	return o.batch, o.closed
}

// turn appends a channel's share: as many frames as fit turnMost, at least one.
func (b *outbox) turn(dst []byte) []byte {
	for share := 0; b.unsent > 0; {
		c := b.frames.first
		end := b.start
		for end < len(c.bytes) {
			n := HeaderLen + int(binary.BigEndian.Uint32(c.bytes[end+1:]))
			if share > 0 && share+n > turnMost {
				break
			}
			share += n
			end += n
		}
		if end == b.start {
			break
		}
		dst = append(dst, c.bytes[b.start:end]...)
		b.unsent -= end - b.start
		if b.start = end; end == len(c.bytes) {
			b.frames.pop().free()
			b.start = 0
		}
	}
	if b.unsent < outboxMost {
		b.signal()
	}
	return dst
}

func (b *outbox) signal() {
	select {
	case b.room <- struct{}{}:
	default:
	}
}

func (o *outgoing) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}
