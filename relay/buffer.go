package relay

import "sync"

// largestKept is the largest buffer that is used again.
const largestKept = 256 << 10

// buffers are those of inboxes and outboxes, which have one only while records
// wait in them. What was idle for long goes to the garbage collector.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 4<<10)
	return &b
}}

// newBuffer returns an empty buffer.
func newBuffer() []byte { return *buffers.Get().(*[]byte) }

// freeBuffer takes a buffer that nobody uses any more; nil is none.
func freeBuffer(b []byte) {
	if b != nil && cap(b) <= largestKept {
		b = b[:0]
		buffers.Put(&b)
	}
}
