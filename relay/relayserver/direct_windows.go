package relayserver

import (
	"net"
	"syscall"

	"github.com/fernmesh/fernmesh/relay"
)

// direct reads a TCP connection without holding a buffer while nothing is there.
type direct struct {
	conn  net.Conn
	raw   syscall.RawConn
	asked bool                  // of the read in course: the kernel was asked to wait
	wait  func(fd uintptr) bool // once made for all reads
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
	d := &direct{conn: conn, raw: raw}
	d.wait = func(uintptr) bool {
		d.asked = !d.asked
		return !d.asked
	}
	return d
}

// read waits for something to read and reads it. RawConn's Read waits, here by a
// read of no bytes, whenever its function returns false: the first time.
func (d *direct) read(l relay.Lender) (int, error) {
	d.asked = false
	if err := d.raw.Read(d.wait); err != nil {
		return 0, err
	}
	return d.conn.Read(l.Borrow())
}
