package link_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how many bytes one direction of a memory connection holds.
const pipeBuffer = 256 << 10

// half is one direction of a memory connection. It works in a synctest bubble:
// who waits, waits on a condition variable.
type half struct {
	mu     sync.Mutex
	change *sync.Cond
	data   bytes.Buffer
	size   int
	closed bool // by the writer: what is buffered can be read
	broken bool // by the reader: nothing can be written
	total  int  // bytes ever written
}

func newHalf(size int) *half {
	h := &half{size: size}
	h.change = sync.NewCond(&h.mu)
	return h
}

// deadline is a settable deadline of one side of a half.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set is called with the half's lock held.
func (d *deadline) set(h *half, at time.Time) {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = at
	if !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), func() {
			h.mu.Lock()
			h.change.Broadcast()
			h.mu.Unlock()
		})
	}
	h.change.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// memConn is one end of a buffered connection in memory.
type memConn struct {
	in, out         *half
	readBy, writeBy deadline // under the lock of their half
	once            sync.Once
}

// memPipe returns the two ends of a connection.
func memPipe() (a, b *memConn) { return memPipeSize(pipeBuffer) }

func memPipeSize(size int) (a, b *memConn) {
	ab, ba := newHalf(size), newHalf(size)
	return &memConn{in: ba, out: ab}, &memConn{in: ab, out: ba}
}

func (c *memConn) Read(b []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case c.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case h.data.Len() > 0:
			n, _ := h.data.Read(b)
			h.change.Broadcast()
			return n, nil
		case h.closed:
			return 0, io.EOF
		}
		h.change.Wait()
	}
}

func (c *memConn) Write(b []byte) (n int, err error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(b) > 0 {
		switch free := h.size - h.data.Len(); {
		case h.closed || h.broken:
			return n, net.ErrClosed
		case c.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case free > 0:
			part := b[:min(free, len(b))]
			h.data.Write(part)
			b, n, h.total = b[len(part):], n+len(part), h.total+len(part)
			h.change.Broadcast()
		default:
			h.change.Wait()
		}
	}
	return n, nil
}

func (c *memConn) Close() error {
	c.once.Do(func() {
		c.in.mu.Lock()
		c.in.broken = true
		c.readBy.set(c.in, time.Time{})
		c.in.mu.Unlock()
		c.out.mu.Lock()
		c.out.closed = true
		c.writeBy.set(c.out, time.Time{})
		c.out.mu.Unlock()
	})
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.readBy.set(c.in, t)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.writeBy.set(c.out, t)
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *memConn) LocalAddr() net.Addr  { return memAddr{} }
func (c *memConn) RemoteAddr() net.Addr { return memAddr{} }

// sent returns how many bytes were ever written to c.
func (c *memConn) sent() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.total
}

type memAddr struct{}

func (memAddr) Network() string { return "mem" }
func (memAddr) String() string  { return "mem" }

// closeWrite ends what c sends, as a half close.
func (c *memConn) closeWrite() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.closed = true
	c.out.change.Broadcast()
}
