package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// RecordHeader is the length of a record's length, in bytes.
const RecordHeader = 4

// firstRead is the buffer a RecordReader begins with: enough for a handshake
// and for most frames.
const firstRead = 4 << 10

// ErrRecordLength is returned for a record that is empty or longer than the
// reader allows at this point.
var ErrRecordLength = errors.New("wire: record length not allowed")

// AppendRecord appends body as a record of a byte stream: length u32, body.
func AppendRecord(dst, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}

// PutRecordLength makes a record of what is behind the first RecordHeader bytes of
// record: it writes the length there.
func PutRecordLength(record []byte) {
	binary.BigEndian.PutUint32(record, uint32(len(record)-RecordHeader))
}

// RecordReader cuts a byte stream into records. It reads ahead: one read of
// the stream may bring several records. It is not safe for concurrent use.
//
// Memory follows the bytes that arrived, never the length a peer claims: the
// buffer is at most twice what was received, and never above the largest
// record allowed.
type RecordReader struct {
	r          io.Reader
	buf        []byte
	start, end int // unread bytes are buf[start:end]
}

// NewRecordReader returns a reader of the records of r.
func NewRecordReader(r io.Reader) *RecordReader {
	return &RecordReader{r: r}
}

// Next returns the body of the next record, valid until the next call. A
// record of 0 or more than limit bytes fails with ErrRecordLength as soon as
// its length is there. The end of the stream is io.EOF between records and
// io.ErrUnexpectedEOF inside one. After a timeout, Next may be called again.
func (r *RecordReader) Next(limit int) ([]byte, error) {
	if err := r.fill(RecordHeader); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(r.buf[r.start:])
	if n == 0 || uint64(n) > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRecordLength, n, limit)
	}
	if err := r.fill(RecordHeader + int(n)); err != nil {
		return nil, err
	}
	body := r.buf[r.start+RecordHeader : r.start+RecordHeader+int(n)]
	r.start += RecordHeader + int(n)
	return body, nil
}

// Buffered reports whether Next would return without a read.
func (r *RecordReader) Buffered() bool {
	have := r.end - r.start
	if have < RecordHeader {
		return false
	}
	return uint64(have-RecordHeader) >= uint64(binary.BigEndian.Uint32(r.buf[r.start:]))
}

// fill reads until n bytes are buffered.
func (r *RecordReader) fill(n int) error {
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

// makeRoom makes space behind the unread bytes for a record of n bytes, or
// for as much of it as the bytes already here justify.
func (r *RecordReader) makeRoom(n int) {
	have := r.end - r.start
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.start+n <= len(r.buf) {
		return
	}
	size := max(firstRead, min(n, 2*have))
	if size <= len(r.buf) {
		size = len(r.buf) // moving the bytes to the front is enough for now
		if have == size {
			size = min(n, 2*have)
		}
	}
	if size == len(r.buf) {
		copy(r.buf, r.buf[r.start:r.end])
	} else {
		grown := make([]byte, size)
		copy(grown, r.buf[r.start:r.end])
		r.buf = grown
	}
	r.start, r.end = 0, have
}

// Trim gives up a buffer that large records have left behind. The next ones make
// it anew.
func (r *RecordReader) Trim() {
	have := r.end - r.start
	if len(r.buf) <= firstRead || have > firstRead {
		return
	}
	small := make([]byte, firstRead)
	copy(small, r.buf[r.start:r.end])
	r.buf, r.start, r.end = small, 0, have
}
