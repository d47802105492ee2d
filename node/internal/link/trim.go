package link

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

const (
	// trimAbove is the largest buffer that an idle link keeps.
	trimAbove = 4 << 10
	// quietBelow is how many bytes a link may move between two calls of Trim and
	// still be idle: PINGs and their answers.
	quietBelow = 1 << 10
)

// trimming is what a Link knows of its way to rest.
type trimming struct {
	mu      sync.Mutex
	moved   uint64 // bytes, in and out, at the last call of Trim
	trimmed uint64 // the same when its buffers were last given up
	poked   bool   // the reader was woken by a deadline in the past
}

// bufferedCarrier is a Carrier that has a buffer of its own. Its method is called by
// who reads.
type bufferedCarrier interface{ trimRead() }

// Trim gives up the buffers that large messages have left behind, if the link
// has been idle since the last call. Who keeps links calls it now and then: an
// idle link then holds a few KiB, whatever went over it before. It does not wait.
func (l *Link) Trim() {
	in, out := l.Bytes()
	moved := in + out
	t := &l.trimming
	t.mu.Lock()
	defer t.mu.Unlock()
	quiet := moved-t.moved < quietBelow
	t.moved = moved
	if !quiet || moved-t.trimmed < trimAbove { // what is that small has made no large buffer
		return
	}
	if l.trimWriter() { // else it is not idle after all
		t.trimmed = moved
		l.poke()
	}
}

// poke has the reader give up its buffers. Callers hold trimming.mu.
func (l *Link) poke() {
	l.trimming.poked = l.carrier.SetReadDeadline(time.Unix(1, 0)) == nil // else the link has ended
}

// rested tells whether a read failed only because Trim woke the reader. It has
// then given up the reader's buffers, and the link can be read on.
func (l *Link) rested(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	t := &l.trimming
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.poked {
		return false
	}
	t.poked = false
	l.in.trim()
	l.rest = wire.Messages{} // all delivered, but it holds the frame
	if c, ok := l.carrier.(bufferedCarrier); ok {
		c.trimRead()
	}
	return l.carrier.SetReadDeadline(time.Time{}) == nil
}

// trimWriter gives up the buffers of the writing side; false when somebody
// writes or has something to write.
func (l *Link) trimWriter() bool {
	if !l.box.trim() {
		return false
	}
	l.out.trim()
	if _, left := l.box.takeMore(nil, false); left {
		l.signal()
	}
	return true
}

// trim makes the caller the writer of an empty outbox and gives up its
// buffers; false when there is a writer or something to write. takeMore ends
// the turn.
func (b *outbox) trim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing || b.ended != nil || len(b.waiting) > 0 {
		return false
	}
	b.writing = true
	b.waiting, b.spare = trimmed(b.waiting), trimmed(b.spare)
	return true
}

func (o *outgoing) trim() {
	o.update, o.token = trimmed(o.update), trimmed(o.token)
	o.cipher.Trim()
}

func (i *incoming) trim() {
	i.plain = trimmed(i.plain)
	i.cipher.Trim()
}

func (s *stream) trimRead() { s.records.Trim() }

// trimmed is b without its contents, or nil if it is large.
func trimmed(b []byte) []byte {
	if cap(b) > trimAbove {
		return nil
	}
	return b[:0]
}
