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

// recordRoom is the room before a sealed frame, in which a carrier of a byte stream
// puts its length: the frame is sealed where it is written from.
const recordRoom = wire.RecordHeader

// roomy is a Carrier that writes a record from behind recordRoom bytes of room,
// which it may change.
type roomy interface {
	WriteRoomy(record []byte) error
	// WriteTwo is WriteRoomy for two records, of which the second begins at cut.
	WriteTwo(records []byte, cut int) error
}

// writeRecord writes the record behind recordRoom.
func writeRecord(c Carrier, record []byte) error {
	if c, ok := c.(roomy); ok {
		return c.WriteRoomy(record)
	}
	return c.WriteRecord(record[recordRoom:])
}

// writeRecords writes two records, each behind recordRoom; the second begins at cut.
func writeRecords(c Carrier, records []byte, cut int) error {
	if c, ok := c.(roomy); ok {
		return c.WriteTwo(records, cut)
	}
	if err := c.WriteRecord(records[recordRoom:cut]); err != nil {
		return err
	}
	return c.WriteRecord(records[cut+recordRoom:])
}

// stream is the carrier of a byte stream.
type stream struct {
	net.Conn
	records *wire.RecordReader
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
	_, err := s.Conn.Write(wire.AppendRecord(nil, body)) // of the handshake: seldom
	return err
}

// WriteRoomy implements roomy.
func (s *stream) WriteRoomy(record []byte) error {
	wire.PutRecordLength(record)
	_, err := s.Conn.Write(record)
	return err
}

// WriteTwo implements roomy.
func (s *stream) WriteTwo(records []byte, cut int) error {
	wire.PutRecordLength(records[:cut])
	wire.PutRecordLength(records[cut:])
	_, err := s.Conn.Write(records)
	return err
}

func (s *stream) Remote() string { return s.Conn.RemoteAddr().String() }
