package link

import (
	"sync"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// keptOutbox is the largest buffer an outbox keeps when it is empty.
const keptOutbox = 256 << 10

// headroom is the room before a batch, so that its frames are sealed where they
// are: each head takes the place of what was sealed before.
const headroom = wire.FrameHeader

// outbox holds the encoded messages that wait to be written, in order, behind
// headroom. Two buffers take turns: one is filled while the other is being written.
type outbox struct {
	soft, hard int

	mu      sync.Mutex
	waiting []byte // what the next writer takes
	spare   []byte // a buffer for later
	queued  int    // bytes waiting, and taken but not yet written
	writing bool   // somebody writes, and will look at waiting again
	led     bool   // somebody will take what waits as soon as the others have run
	ended   error  // set by close
	room    []chan struct{}
	empty   chan struct{} // closed when queued gets to 0; nil if nobody waits
}

// post appends a message. overflow says that the hard bound was reached.
func (b *outbox) post(t wire.Type, n int, parts [][]byte) (overflow bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		return false, b.ended
	}
	if b.queued+n+wire.MessageOverhead > b.hard {
		return true, nil
	}
	if len(b.waiting) == 0 {
		b.waiting = append(b.waiting, make([]byte, headroom)...)
	}
	before := len(b.waiting)
	b.waiting = wire.AppendMessage(b.waiting, t, parts...)
	b.queued += len(b.waiting) - before
	return false, nil
}

// take makes the caller the writer and returns what waits. It returns nil if
// there is a writer, or nothing to write, or more than most bytes.
func (b *outbox) take(most int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing || b.ended != nil || len(b.waiting) == 0 || len(b.waiting) > most {
		return nil
	}
	b.writing = true
	return b.swap()
}

// lead makes the caller the one who will soon take what waits, until lay. False if
// somebody writes or is about to, or if nothing waits.
func (b *outbox) lead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing || b.led || len(b.waiting) == 0 {
		return false
	}
	b.led = true
	return true
}

// lay ends what lead began.
func (b *outbox) lay() {
	b.mu.Lock()
	b.led = false
	b.mu.Unlock()
}

// takeMore ends the turn of the writer, who gives its buffer back. With more
// set and messages waiting it begins the next turn and returns them. left says
// that messages wait and nobody writes.
func (b *outbox) takeMore(used []byte, more bool) (batch []byte, left bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cap(used) <= keptOutbox {
		b.spare = used[:0]
	}
	left = len(b.waiting) > 0 && b.ended == nil
	if left && more {
		return b.swap(), false
	}
	b.writing = false
	return nil, left
}

func (b *outbox) swap() []byte {
	batch := b.waiting
	b.waiting, b.spare = b.spare[:0], nil
	return batch
}

// holds reports whether so many bytes are queued.
func (b *outbox) holds(bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queued >= bytes
}

// idle reports whether nobody writes although something waits.
func (b *outbox) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.writing && len(b.waiting) > 0
}

// written takes n bytes off the count and wakes who waits for that.
func (b *outbox) written(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queued -= n
	if b.queued == 0 {
		b.wake(len(b.room))
		if b.empty != nil {
			close(b.empty)
			b.empty = nil
		}
	} else if b.queued < b.soft {
		b.wake(1 + (b.soft-b.queued)/wire.MaxMessage)
	}
}

// wake wakes the first n that wait for room. Waking all at once would let them
// overshoot the bound together.
func (b *outbox) wake(n int) {
	n = min(n, len(b.room))
	for _, waiter := range b.room[:n] {
		close(waiter)
	}
	b.room = append(b.room[:0], b.room[n:]...)
}

// wait returns a channel that is closed when there may be room, or nil if
// there is.
func (b *outbox) wait() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued < b.soft && len(b.room) == 0 {
		return nil
	}
	if b.queued == 0 {
		return nil
	}
	waiter := make(chan struct{})
	b.room = append(b.room, waiter)
	return waiter
}

// waitEmpty returns a channel that is closed when all is written, or nil if
// all is.
func (b *outbox) waitEmpty() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued == 0 {
		return nil
	}
	if b.empty == nil {
		b.empty = make(chan struct{})
	}
	return b.empty
}

// close refuses what is posted from now on.
func (b *outbox) close(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = cause
	b.waiting, b.spare, b.room = nil, nil, nil
}
