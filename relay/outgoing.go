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
	control []byte    // frames
	token   []byte    // the latest presence token to be sent
	answer  *Echo     // the latest PING to be answered
	turns   []*outbox // channels with frames, in the order of their turns
	batch   []byte    // the writer's, between two calls of take
}

// outbox is what waits of one channel. All but room is guarded by outgoing.mu.
type outbox struct {
	frames   []byte
	start    int           // frames[start:] are unsent
	inTurns  bool          // whether it is in turns
	closed   bool          // no more records
	deadline time.Time     // of WriteRecord
	room     chan struct{} // a signal, for who waits in WriteRecord
}

// record adds a record to its channel, or says until when to wait for room.
func (o *outgoing) record(b *outbox, r Record) (by time.Time, taken, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || b.closed {
		return time.Time{}, false, true
	}
	if len(b.frames)-b.start >= outboxMost {
		return b.deadline, false, false
	}
	if b.frames == nil {
		b.frames = newBuffer()
	}
	b.frames = AppendSend(b.compact(), r)
	o.queue(b)
	return time.Time{}, true, false
}

// compact moves what is unsent to the front, when that is little or nothing.
func (b *outbox) compact() []byte {
	if b.start > 0 && len(b.frames)-b.start <= b.start {
		b.frames = b.frames[:copy(b.frames, b.frames[b.start:])]
		b.start = 0
	}
	return b.frames
}

// queue gives a channel its place in the turns. The caller holds mu.
func (o *outgoing) queue(b *outbox) {
	if !b.inTurns {
		b.inTurns = true
		o.turns = append(o.turns, b)
	}
	o.signal()
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
	if len(b.frames) == 0 {
		return o.addGone(g)
	}
	b.frames = AppendGone(b.frames, g)
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
	freeBuffer(b.frames)
	b.frames, b.start = nil, 0
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
// is nothing, and then whether that is the end.
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
		if b.inTurns = len(b.frames) > 0; b.inTurns {
			o.turns = append(o.turns, b)
		}
	}
	return o.batch, o.closed
}

// turn appends a channel's share: as many frames as fit turnMost, at least one.
func (b *outbox) turn(dst []byte) []byte {
	end := b.start
	for end < len(b.frames) {
		n := HeaderLen + int(binary.BigEndian.Uint32(b.frames[end+1:]))
		if end > b.start && end+n-b.start > turnMost {
			break
		}
		end += n
	}
	dst = append(dst, b.frames[b.start:end]...)
	if b.start = end; end == len(b.frames) {
		b.empty()
	}
	if len(b.frames)-b.start < outboxMost {
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
