package meshtest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// endpoint is one end of a TCP connection. Besides net.Conn it has CloseWrite.
type endpoint struct {
	link          *link
	host          *Host
	local, remote netip.AddrPort
	in, out       *stream

	readable, writable sync.Cond
	readBy, writeBy    deadline
	writing            bool  // a Write has the turn: writes never interleave
	ended              bool  // our end of stream was sent
	closed             bool  // by Close, or by a crash
	killed             bool  // by a crash
	refused            bool  // a reset was sent
	err                error // the connection broke
}

var _ net.Conn = (*endpoint)(nil)

// connect makes a link and returns its two ends.
func (w *World) connect(lan *LAN, client, server *Host, from, to netip.AddrPort) *link {
	l := &link{w: w, lan: lan}
	l.client = &endpoint{link: l, host: client, local: from, remote: to}
	l.server = &endpoint{link: l, host: server, local: to, remote: from}
	there := &stream{link: l, from: l.client, to: l.server}
	back := &stream{link: l, from: l.server, to: l.client}
	l.client.in, l.client.out = back, there
	l.server.in, l.server.out = there, back
	for _, e := range []*endpoint{l.client, l.server} {
		e.readable.L, e.writable.L = &w.mu, &w.mu
	}
	w.links[l] = struct{}{}
	return l
}

func (e *endpoint) Read(b []byte) (int, error) {
	e.link.w.mu.Lock()
	defer e.link.w.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, e.opError("read", net.ErrClosed)
		case e.readBy.passed():
			return 0, e.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case e.in.ready.Len() > 0:
			n, _ := e.in.ready.Read(b)
			e.in.held -= n
			e.in.from.writable.Broadcast()
			return n, nil
		case e.err != nil:
			return 0, e.opError("read", e.err)
		case e.in.ended:
			return 0, io.EOF
		}
		e.readable.Wait()
	}
}

func (e *endpoint) Write(b []byte) (int, error) {
	e.link.w.mu.Lock()
	defer e.link.w.mu.Unlock()
	if err := e.takeTurn(); err != nil {
		return 0, e.opError("write", err)
	}
	defer e.endTurn()
	for sent := 0; ; {
		if err := e.unwritable(); err != nil {
			return sent, e.opError("write", err)
		}
		if room := window - e.out.held; room > 0 {
			n := min(room, len(b)-sent)
			e.out.send(segment{data: b[sent : sent+n]})
			sent += n
		}
		if sent == len(b) {
			return sent, nil
		}
		e.writable.Wait()
	}
}

// takeTurn waits until no other Write is at work.
func (e *endpoint) takeTurn() error {
	for e.writing {
		if err := e.unwritable(); err != nil {
			return err
		}
		e.writable.Wait()
	}
	e.writing = true
	return nil
}

func (e *endpoint) endTurn() {
	e.writing = false
	e.writable.Broadcast()
}

// unwritable is why nothing can be written, nil if it can.
func (e *endpoint) unwritable() error {
	switch {
	case e.closed:
		return net.ErrClosed
	case e.err != nil:
		return e.err
	case e.ended:
		return syscall.EPIPE
	case e.writeBy.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// CloseWrite sends the end of the stream; reading goes on.
func (e *endpoint) CloseWrite() error {
	e.link.w.mu.Lock()
	defer e.link.w.mu.Unlock()
	if e.closed {
		return e.opError("close", net.ErrClosed)
	}
	e.finish()
	e.wake()
	return nil
}

// finish sends the end of our stream, once.
func (e *endpoint) finish() {
	if !e.ended && e.err == nil {
		e.ended = true
		e.out.send(segment{end: true})
	}
}

// Close ends the connection. What was written still arrives; but, as on Linux,
// closing while received bytes are unread resets the connection.
func (e *endpoint) Close() error {
	e.link.w.mu.Lock()
	defer e.link.w.mu.Unlock()
	if e.closed {
		return e.opError("close", net.ErrClosed)
	}
	if e.in.ready.Len() > 0 {
		e.abort()
		return nil
	}
	e.shut()
	e.finish()
	return nil
}

// abort closes this end and resets the other.
func (e *endpoint) abort() {
	e.shut()
	if e.err == nil {
		e.refuse()
	}
}

// refuse sends a reset, once.
func (e *endpoint) refuse() {
	if !e.refused {
		e.refused = true
		e.out.send(segment{rst: true})
	}
}

// shut marks this end closed and wakes all who wait on it.
func (e *endpoint) shut() {
	e.closed = true
	e.in.held -= e.in.ready.Len()
	e.in.ready.Reset()
	e.readBy.stop()
	e.writeBy.stop()
	e.wake()
	e.link.forget()
}

// fail breaks this end. Bytes that arrived before can still be read.
func (e *endpoint) fail(err error) {
	if e.err == nil {
		e.err = err
	}
	e.out.drop()
	e.wake()
}

func (e *endpoint) wake() {
	e.readable.Broadcast()
	e.writable.Broadcast()
}

func (e *endpoint) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(e.local) }
func (e *endpoint) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(e.remote) }

func (e *endpoint) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

func (e *endpoint) SetReadDeadline(t time.Time) error {
	return e.setDeadline(&e.readBy, &e.readable, t)
}

func (e *endpoint) SetWriteDeadline(t time.Time) error {
	return e.setDeadline(&e.writeBy, &e.writable, t)
}

func (e *endpoint) setDeadline(d *deadline, waiters *sync.Cond, t time.Time) error {
	e.link.w.mu.Lock()
	defer e.link.w.mu.Unlock()
	if e.closed {
		return e.opError("set", net.ErrClosed)
	}
	d.set(t, waiters)
	return nil
}

func (e *endpoint) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: e.LocalAddr(), Addr: e.RemoteAddr(), Err: err}
}

// deadline wakes a condition's waiters when its time comes.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(t time.Time, waiters *sync.Cond) {
	d.stop()
	d.at = t
	waiters.Broadcast()
	if t.IsZero() || d.passed() {
		return
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		waiters.L.Lock()
		defer waiters.L.Unlock()
		waiters.Broadcast()
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
