package link

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Carrier moves records between two ends, in order or not at all. One
// goroutine may read while another writes; Close may be called by any, at any
// time, and makes both return.
type Carrier interface {
	// Transport and Path are bound into the handshake, so that a session over
	// one path cannot be carried over to another (section 2).
	Transport() crypto.Transport
	Path() []byte
	// ReadRecord returns the next record, valid until the next call. The caller
	// may overwrite it. One of more than limit bytes is an error.
	ReadRecord(limit int) ([]byte, error)
	// WriteRecord writes one record at once. It keeps no part of it.
	WriteRecord(body []byte) error
	// The deadlines are those of net.Conn.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Close() error
	// Remote is the peer's address, for people.
	Remote() string
}

// stream is the carrier of a byte stream.
type stream struct {
	net.Conn
	records *wire.RecordReader
	out     []byte // the record being written, with its length
	opened  time.Time
	read    atomic.Int64 // when the last byte came, as a duration since opened
}

// Stream returns the carrier of a LAN TCP connection. It closes c when it is
// closed.
func Stream(c net.Conn) Carrier {
	s := &stream{Conn: c, opened: time.Now()}
	s.records = wire.NewRecordReader(s)
	return withTry(s)
}

// Read reads from the connection and notes the time.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.read.Store(int64(time.Since(s.opened)))
	}
	return n, err
}

// LastRead returns when the last byte came. It tells a slow peer from a dead
// one while a large frame arrives.
func (s *stream) LastRead() time.Time {
	return s.opened.Add(time.Duration(s.read.Load()))
}

func (s *stream) Transport() crypto.Transport { return crypto.TransportLAN }

func (s *stream) Path() []byte { return nil }

// Buffered reports whether ReadRecord would return at once.
func (s *stream) Buffered() bool { return s.records.Buffered() }

func (s *stream) ReadRecord(limit int) ([]byte, error) { return s.records.Next(limit) }

func (s *stream) WriteRecord(body []byte) error {
	s.out = wire.AppendRecord(s.out[:0], body)
	_, err := s.Conn.Write(s.out)
	return err
}

func (s *stream) Remote() string { return s.Conn.RemoteAddr().String() }
