//go:build unix

package link

import (
	"net"
	"syscall"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// tryStream is a stream whose socket can be written to without waiting. Its
// writes are of whoever set outbox.writing, as all writes are.
type tryStream struct {
	*stream
	raw  syscall.RawConn
	once func(fd uintptr) // the method try, made once
	left []byte           // of the record: what try did not write
	err  error            // of try
}

// withTry gives the carrier of a TCP connection the methods of tries.
func withTry(s *stream) Carrier {
	c, ok := s.Conn.(*net.TCPConn)
	if !ok {
		return s
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return s
	}
	t := &tryStream{stream: s, raw: raw}
	t.once = t.try
	return t
}

// try asks the system once. Sockets of the package net never make it wait.
func (s *tryStream) try(fd uintptr) {
	for {
		n, err := syscall.Write(int(fd), s.left)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
		case err != nil:
			s.err = &net.OpError{Op: "write", Net: "tcp", Addr: s.Conn.RemoteAddr(), Err: err}
		default:
			s.left = s.left[n:]
		}
		return
	}
}

func (s *tryStream) TryRecord(record []byte) (done bool, err error) {
	wire.PutRecordLength(record)
	s.left, s.err = record, nil
	if err := s.raw.Control(s.once); err != nil {
		return false, err
	}
	return len(s.left) == 0, s.err
}

func (s *tryStream) FinishRecord() error {
	_, err := s.Conn.Write(s.left)
	return err
}
