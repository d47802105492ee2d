//go:build unix

package relayserver

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/fernmesh/fernmesh/relay"
)

// direct reads a TCP connection without holding a buffer while nothing is there.
type direct struct {
	conn   syscall.RawConn
	lender relay.Lender                 // of the read in course
	n      int                          // what it brought
	err    error                        // or why not
	try    func(fd uintptr) (done bool) // once is made for all reads
}

// newDirect returns nil for a connection that cannot be read so.
func newDirect(conn net.Conn) *direct {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{conn: raw}
	d.try = d.attempt
	return d
}

// read waits for something to read and reads it.
func (d *direct) read(l relay.Lender) (int, error) {
	d.lender = l
	err := d.conn.Read(d.try)
	d.lender = nil
	if err != nil {
		return 0, err
	}
	return d.n, d.err
}

// attempt reads what is there; false is nothing.
func (d *direct) attempt(fd uintptr) bool {
	p := d.lender.Borrow()
	n, err := syscall.Read(int(fd), p)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), p)
	}
	switch {
	case errors.Is(err, syscall.EAGAIN):
		d.lender.Return()
		return false
	case err != nil:
		d.n, d.err = 0, os.NewSyscallError("read", err)
	case n == 0:
		d.n, d.err = 0, io.EOF
	default:
		d.n, d.err = n, nil
	}
	return true
}
