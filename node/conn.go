package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// Conn is a byte stream between two nodes: what [Node.Dial] returns and the
// listener of [Node.Listen] accepts. It is a net.Conn with the half-close of a
// *net.TCPConn; all methods may be used from several goroutines.
//
// What is written leaves at once and arrives in order. A reader that does not
// read makes the writer wait after about 256 KiB. Read returns io.EOF when the
// other side has ended its direction, with CloseWrite or Close, and all of it was
// read; a connection that broke, or was refused afterwards, gives an error that
// says so. Other errors are *net.OpError values that wrap net.ErrClosed after
// Close, os.ErrDeadlineExceeded after a deadline, and io.ErrClosedPipe where
// nothing may be written any more.
//
// A Conn is bound to the link on which it was dialled: it does not move to
// another path, and ends with the link.
type Conn struct {
	stream        byteStream
	end           func(cause error) // ends the call; nil means that this side has closed in order. Once
	local, remote Addr
	caller        commands.Caller
	path          PathInfo

	in, out *direction
	closing sync.Once
}

// byteStream is one side of a streaming call: a commands.Pipe, or the caller's
// *rpc.Stream.
type byteStream interface {
	Read(stop <-chan struct{}, p []byte) (int, error)
	Write(stop <-chan struct{}, p []byte) (int, error)
	CloseWrite() error
}

func newConn(stream byteStream, end func(cause error)) *Conn {
	return &Conn{stream: stream, end: end, in: newDirection(), out: newDirection()}
}

// Read reads at least one byte, unless p is empty.
func (c *Conn) Read(p []byte) (int, error) {
	stop, ok := c.in.enter()
	if !ok {
		return 0, c.failed("read", commands.ErrStopped)
	}
	defer c.in.leave()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.stream.Read(stop, p)
	return n, c.failed("read", err)
}

// Write writes all of p, or returns how much of it was sent and why no more.
// That it was sent does not say that the other side has read it.
func (c *Conn) Write(p []byte) (int, error) {
	stop, ok := c.out.enter()
	if !ok {
		return 0, c.failed("write", commands.ErrStopped)
	}
	defer c.out.leave()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.stream.Write(stop, p)
	return n, c.failed("write", err)
}

// CloseWrite ends this side's direction: the other side reads what was written
// and then io.EOF, and may still answer.
func (c *Conn) CloseWrite() error {
	if c.in.ended() {
		return c.failed("close", net.ErrClosed)
	}
	return c.closeWrite()
}

func (c *Conn) closeWrite() error {
	if !c.out.end() {
		return nil
	}
	if err := c.stream.CloseWrite(); err != nil && !errors.Is(err, rpc.ErrEnded) {
		return c.failed("close", err)
	}
	return nil
}

// Close ends the connection without waiting: the other side reads what was
// written and then io.EOF. Reads and writes that wait, and later ones, fail with
// net.ErrClosed. What arrives afterwards is thrown away; a dialled connection
// whose other side goes on writing is cut after a moment.
func (c *Conn) Close() error {
	err := c.failed("close", net.ErrClosed)
	c.closing.Do(func() {
		c.in.end()
		err = c.closeWrite()
		c.end(nil)
	})
	return err
}

// Abort ends the connection at once, as a reset does: reads and writes of the
// other side fail, and what is on its way is lost. At the end that accepted, cause
// is what the other side is told, by the rules for an error of a handler (see
// [commands.Serve]); it must not be nil. At the end that dialled, the other side
// learns CANCELLED. After Close or Abort it does nothing and returns net.ErrClosed.
func (c *Conn) Abort(cause error) error {
	err := c.failed("abort", net.ErrClosed)
	c.closing.Do(func() {
		c.in.end()
		c.out.end()
		c.end(cause)
		err = nil
	})
	return err
}

// Errors beneath those of a Conn.
var (
	errPeerClosed  = fmt.Errorf("the other side has closed the connection: %w", io.ErrClosedPipe)
	errWriteClosed = fmt.Errorf("this side has ended its direction: %w", io.ErrClosedPipe)
)

// failed makes the error of an operation; io.EOF and nil stay what they are.
func (c *Conn) failed(op string, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case c.in.ended():
		err = net.ErrClosed
	case errors.Is(err, commands.ErrStopped) && op == "write" && c.out.ended():
		err = errWriteClosed
	case errors.Is(err, commands.ErrStopped):
		err = os.ErrDeadlineExceeded
	case errors.Is(err, rpc.ErrEnded):
		err = c.ended()
	}
	var broken *rpc.BrokenError
	if errors.As(err, &broken) {
		err = callError(commands.Unavailable, commands.ExecutedYes, commands.WherePath, broken, "dial again")
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// ended is why nothing can be written any more after the end of the call.
func (c *Conn) ended() error {
	if dialled, ok := c.stream.(callStream); ok {
		if _, err := dialled.Result(); err != nil {
			return err
		}
	}
	return errPeerClosed
}

// SetDeadline is SetReadDeadline and SetWriteDeadline in one.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	c.out.limit(t)
	return nil
}

// SetReadDeadline ends reads, also those that wait now, at t with
// os.ErrDeadlineExceeded. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.in.ended() {
		return c.failed("set", net.ErrClosed)
	}
	c.in.limit(t)
	return nil
}

// SetWriteDeadline is the same for writes. A write that was ended may have sent
// a part of its bytes, and says how many.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.in.ended() {
		return c.failed("set", net.ErrClosed)
	}
	c.out.limit(t)
	return nil
}

// LocalAddr returns this end's [Addr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the other end's [Addr]. Who a caller has proved to be is
// said by Caller.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Caller is who dialled, at the end that accepted; the zero value at the other.
func (c *Conn) Caller() commands.Caller { return c.caller }

// Path is the way that the bytes take. At the end that accepted only its Kind
// is known.
func (c *Conn) Path() PathInfo { return c.path }
