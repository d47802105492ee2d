package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Errors of FrameReader about what came. Either ends the connection.
var (
	ErrFrameType   = errors.New("relay: frame not allowed here")
	ErrFrameLength = errors.New("relay: frame length not allowed")
)

// ReadBuffer is how much is read at a time of small frames, in bytes.
const ReadBuffer = 16 << 10

// restAfter is how many frames in a row have to fit the resting buffer before a
// larger one is given up.
const restAfter = 32

// PatientReader is a stream that can be waited for without a buffer.
type PatientReader interface {
	io.Reader
	// ReadWhenReady is Read into the buffer that it borrows once there is
	// something to read. One that it borrowed in vain it returns.
	ReadWhenReady(Lender) (int, error)
}

// Lender gives a buffer, and takes it back.
type Lender interface {
	Borrow() []byte
	Return()
}

// FrameReader cuts a byte stream into frames. It reads ahead: one read of the
// stream may bring several frames. It is not safe for concurrent use.
//
// Type and length are checked before a byte is allocated for the body. Memory
// follows the bytes that arrived: beyond its resting size, the buffer is at most
// twice what was received, and goes back to that size when no large frames come
// any more. Between the frames of a PatientReader there is no buffer at all.
type FrameReader struct {
	r          io.Reader
	patient    PatientReader // r, if it is one
	rest       int           // resting size of the buffer
	buf        []byte
	held       *lent // what buf is, if it is lent
	last       int   // where the latest frame begins
	start, end int   // unread bytes are buf[start:end]
	small      int   // frames since a large one
}

// NewFrameReader returns a reader of the frames of r, with a buffer that rests at
// size bytes (at least 512). The buffer is made when the first bytes are wanted.
// That of a [PatientReader] is lent, whatever the size, and of [ReadBuffer] bytes.
func NewFrameReader(r io.Reader, size int) *FrameReader {
	patient, _ := r.(PatientReader)
	return &FrameReader{r: r, patient: patient, rest: max(size, 512)}
}

// Next returns the next frame; its body is valid until the next call that reads
// the stream, which is one that Ready does not announce. A frame that is not in
// allowed is ErrFrameType, one of a length that its type does not have
// ErrFrameLength. The end of the stream is io.EOF between frames and
// io.ErrUnexpectedEOF inside one. After a timeout Next may be called again.
func (r *FrameReader) Next(allowed FrameSet) (FrameType, []byte, error) {
	if err := r.fill(HeaderLen); err != nil {
		return 0, nil, err
	}
	t := FrameType(r.buf[r.start])
	if !allowed.Has(t) {
		return 0, nil, fmt.Errorf("%w: %v", ErrFrameType, t)
	}
	n := binary.BigEndian.Uint32(r.buf[r.start+1:])
	if spec := &frameSpecs[t]; n < spec.low || n > spec.high {
		return 0, nil, fmt.Errorf("%w: %v of %d bytes", ErrFrameLength, t, n)
	}
	whole := HeaderLen + int(n)
	if err := r.fill(whole); err != nil {
		return 0, nil, err
	}
	if r.small++; whole > r.rest {
		r.small = 0
	}
	body := r.buf[r.start+HeaderLen : r.start+whole]
	r.last = r.start
	r.start += whole
	return t, body, nil
}

// Frame returns the latest frame of Next with its head, valid as long as its
// body. It may be changed. Frames of which each was announced by Ready lie one
// behind the other: the first may be extended over the rest.
func (r *FrameReader) Frame() []byte { return r.buf[r.last:r.start] }

// Ready reports whether Next will return without reading the stream.
func (r *FrameReader) Ready() bool {
	have := r.end - r.start
	return have >= HeaderLen && uint64(have-HeaderLen) >= uint64(binary.BigEndian.Uint32(r.buf[r.start+1:]))
}

// Borrow implements Lender, for the stream.
func (r *FrameReader) Borrow() []byte {
	r.hold(lend(ReadBuffer))
	return r.buf
}

// Return implements Lender, for the stream.
func (r *FrameReader) Return() { r.hold(nil) }

// hold has the reader work in a lent buffer, or in none.
func (r *FrameReader) hold(l *lent) {
	r.held.giveBack()
	r.held, r.buf = l, nil
	if l != nil {
		r.buf = l.bytes
	}
}

// fill reads until n bytes are buffered.
func (r *FrameReader) fill(n int) error {
	for r.end-r.start < n {
		got, err := r.read(n)
		r.end += got
		if r.end-r.start >= n {
			return nil
		}
		if errors.Is(err, io.EOF) && r.end > r.start {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads once, towards n bytes.
func (r *FrameReader) read(n int) (int, error) {
	if r.patient != nil && r.start == r.end {
		r.start, r.end, r.last = 0, 0, 0
		r.Return()
		return r.patient.ReadWhenReady(r)
	}
	r.makeRoom(n)
	return r.r.Read(r.buf[r.end:])
}

// makeRoom makes space behind the unread bytes: for a frame of n bytes, or for
// as much of it as the bytes already here justify.
func (r *FrameReader) makeRoom(n int) {
	have := r.end - r.start
	if have == 0 {
		r.start, r.end = 0, 0
		if len(r.buf) > r.rest && r.small >= restAfter {
			r.buf = nil
		}
	}
	if r.start+n <= len(r.buf) {
		return
	}
	unread, size := r.buf[r.start:r.end], max(r.rest, min(n, 2*have))
	switch {
	case r.patient != nil && size > len(r.buf) && n > len(r.buf):
		larger := lend(size)
		copy(larger.bytes, unread)
		r.hold(larger)
	case size > len(r.buf) && (n > len(r.buf) || r.buf == nil):
		r.buf = make([]byte, size)
		copy(r.buf, unread)
	default:
		copy(r.buf, unread)
	}
	r.start, r.end = 0, have
}
