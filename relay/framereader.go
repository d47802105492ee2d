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

// restAfter is how many frames in a row have to fit the resting buffer before a
// larger one is given up.
const restAfter = 32

// FrameReader cuts a byte stream into frames. It reads ahead: one read of the
// stream may bring several frames. It is not safe for concurrent use.
//
// Type and length are checked before a byte is allocated for the body. Memory
// follows the bytes that arrived: the buffer is at most twice what was received,
// and goes back to its resting size when no large frames come any more.
type FrameReader struct {
	r          io.Reader
	rest       int // resting size of the buffer
	buf        []byte
	start, end int // unread bytes are buf[start:end]
	small      int // frames since a large one
}

// NewFrameReader returns a reader of the frames of r, with a buffer that rests at
// size bytes (at least 512). The buffer is made when the first bytes are wanted.
func NewFrameReader(r io.Reader, size int) *FrameReader {
	return &FrameReader{r: r, rest: max(size, 512)}
}

// Next returns the next frame; its body is valid until the next call. A frame
// that is not in allowed is ErrFrameType, one of a length that its type does
// not have ErrFrameLength. The end of the stream is io.EOF between frames and
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
	if spec := frameSpecs[t]; n < spec.low || n > spec.high {
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
	r.start += whole
	return t, body, nil
}

// fill reads until n bytes are buffered.
func (r *FrameReader) fill(n int) error {
	for r.end-r.start < n {
		r.makeRoom(n)
		got, err := r.r.Read(r.buf[r.end:])
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
	into := r.buf
	if size := max(r.rest, min(n, 2*have)); size > len(r.buf) && (n > len(r.buf) || r.buf == nil) {
		into = make([]byte, size)
	}
	copy(into, r.buf[r.start:r.end])
	r.buf, r.start, r.end = into, 0, have
}
