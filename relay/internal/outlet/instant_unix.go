//go:build unix

package outlet

import (
	"errors"
	"net"
	"syscall"
)

// instant writes to a TCP connection what its buffer in the kernel takes at once.
type instant struct {
	conn syscall.RawConn
	p    []byte                       // of the write in course
	n    int                          // what was taken
	try  func(fd uintptr) (done bool) // made once for all writes
}

// newInstant returns nil for a connection that cannot be written so.
func newInstant(conn net.Conn) *instant {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	i := &instant{conn: raw}
	i.try = i.attempt
	return i
}

// write returns how much has left. An error shows at the next write that waits.
func (i *instant) write(p []byte) int {
	i.p, i.n = p, 0
	_ = i.conn.Write(i.try)
	i.p = nil
	return i.n
}

func (i *instant) attempt(fd uintptr) bool {
	for i.n < len(i.p) {
		n, err := syscall.Write(int(fd), i.p[i.n:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		i.n += n
		if i.n < len(i.p) {
			break // the buffer is full
		}
	}
	return true
}
