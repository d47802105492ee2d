// Package mempipe is the pipe of a streaming call that does not leave the
// process: two ends, each of which reads what the other writes.
package mempipe

import (
	"errors"
	"io"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// capacity is how many bytes wait in each direction, as on a link.
const capacity = wire.CallCredit

// errClosed answers a Write after CloseWrite.
var errClosed = errors.New("the direction was closed")

// End is one end of a pipe. Its callee's end is a commands.Pipe. One goroutine
// may read while another writes.
type End struct {
	in, out *direction
	callee  bool
	begun   chan struct{}
	begin   *sync.Once
}

// New makes the two ends of a pipe.
func New() (caller, callee *End) {
	to, from, begun, begin := newDirection(), newDirection(), make(chan struct{}), &sync.Once{}
	return &End{from, to, false, begun, begin}, &End{to, from, true, begun, begin}
}

// Read implements commands.Pipe.
func (e *End) Read(stop <-chan struct{}, p []byte) (int, error) { return e.in.read(stop, p) }

// Write implements commands.Pipe.
func (e *End) Write(stop <-chan struct{}, p []byte) (int, error) {
	if e.callee {
		_ = e.Open() // never fails
	}
	return e.out.write(stop, p)
}

// CloseWrite implements commands.Pipe. What was written can still be read.
func (e *End) CloseWrite() error {
	e.out.end(io.EOF, errClosed)
	return nil
}

// Open implements commands.Pipe.
func (e *End) Open() error {
	e.begin.Do(func() { close(e.begun) })
	return nil
}

// Begun is closed by the first Open at either end, and the callee's first Write.
func (e *End) Begun() <-chan struct{} { return e.begun }

// Break ends both directions. Whoever reads gets what was written, then err;
// whoever writes gets err at once. A direction that has ended stays as it is
// for its reader.
func (e *End) Break(err error) {
	e.in.end(err, err)
	e.out.end(err, err)
}

// direction is the bytes one way.
type direction struct {
	mu       sync.Mutex
	buf      []byte
	off      int   // buf[off:] waits
	toReader error // after the bytes; nil while it goes on
	toWriter error

	filled, emptied chan struct{} // of one token each: something changed
}

func newDirection() *direction {
	return &direction{filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

func (d *direction) read(stop <-chan struct{}, p []byte) (int, error) {
	for {
		n, err := d.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-d.filled:
		case <-stop:
			return 0, commands.ErrStopped
		}
	}
}

func (d *direction) take(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := copy(p, d.buf[d.off:])
	if d.off += n; d.off == len(d.buf) {
		d.buf, d.off = d.buf[:0], 0
	}
	if n > 0 {
		tell(d.emptied)
		return n, nil
	}
	return 0, d.toReader
}

func (d *direction) write(stop <-chan struct{}, p []byte) (n int, err error) {
	for {
		put, err := d.put(p[n:])
		n += put
		if err != nil || n == len(p) {
			return n, err
		}
		select {
		case <-d.emptied:
		case <-stop:
			return n, commands.ErrStopped
		}
	}
}

func (d *direction) put(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.toWriter != nil {
		return 0, d.toWriter
	}
	if d.off > 0 && len(d.buf)+len(p) > capacity {
		d.buf, d.off = append(d.buf[:0], d.buf[d.off:]...), 0
	}
	n := min(len(p), capacity-len(d.buf))
	if n > 0 {
		d.buf = append(d.buf, p[:n]...)
		tell(d.filled)
	}
	return n, nil
}

func (d *direction) end(toReader, toWriter error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.toReader == nil {
		d.toReader = toReader
	}
	if d.toWriter == nil {
		d.toWriter = toWriter
	}
	tell(d.filled)
	tell(d.emptied)
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
