// Package items carries values, one after the other, over a stream of bytes:
// each is its length as an unsigned varint, then exactly one msgpack value of
// that length, at most [MaxItem] bytes. Both ends of a streaming call use it.
//
// [Write] sends one value, a [Reader] takes them apart again. It believes no
// length before the bytes are there, and hands out no value that wire.Guard
// refuses, so it is safe on bytes from anywhere.
package items

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// MaxItem is the most bytes one value may take.
const MaxItem = wire.MaxBig

// A Source gives bytes as commands.Pipe does: at least one, or an error, which
// is io.EOF at an end that the other side meant. Closing stop ends a wait.
type Source interface {
	Read(stop <-chan struct{}, p []byte) (int, error)
}

// A Sink takes all of p, or returns an error.
type Sink interface {
	Write(stop <-chan struct{}, p []byte) (int, error)
}

// FormatError says that what came is not a row of values. The text holds
// nothing of what came.
type FormatError struct {
	Item int // number of the value, from 0
	Text string
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("item %d: %s", e.Item, e.Text) }

// ErrNoMemory: a large value came while the memory for such was in use.
var ErrNoMemory = errors.New("no memory left for an item this large")

// small is up to where length and value travel in one piece of bytes.
const small = 16 << 10

// Write sends one encoded value. After an error part of it may have left, so
// nothing more can be sent.
func Write(w Sink, stop <-chan struct{}, value []byte) error {
	head := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+min(len(value), small)), uint64(len(value)))
	if len(value) <= small {
		_, err := w.Write(stop, append(head, value...))
		return err
	}
	if _, err := w.Write(stop, head); err != nil {
		return err
	}
	_, err := w.Write(stop, value)
	return err
}

// Reader takes values off a stream. It is not safe for concurrent use.
type Reader struct {
	source Source
	budget *Budget

	buf   []byte // what was read and not handed out: buf[off:]
	off   int
	count int
	err   error // ends everything
}

// NewReader makes a Reader; a nil budget does not limit.
func NewReader(s Source, b *Budget) *Reader { return &Reader{source: s, budget: b} }

// Count is how many values were handed out.
func (r *Reader) Count() int { return r.count }

// Next returns the next value, which is valid until the next call of Next.
// Every error is final: io.EOF after the last value, a *[FormatError],
// [ErrNoMemory], or what the source said.
func (r *Reader) Next(stop <-chan struct{}) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	value, err := r.next(stop)
	if err != nil {
		r.err, r.buf = err, nil
		return nil, err
	}
	r.count++
	return value, nil
}

func (r *Reader) next(stop <-chan struct{}) ([]byte, error) {
	n, err := r.length(stop)
	if err != nil {
		return nil, err
	}
	value, err := r.value(stop, n)
	if err != nil {
		return nil, err
	}
	if err := wire.Guard(value, wire.Data); err != nil {
		return nil, r.malformed(err.Error())
	}
	return value, nil
}

func (r *Reader) malformed(text string) error { return &FormatError{r.count, text} }

// length reads the length of a value. The end of the stream before it is a good
// end, io.EOF.
func (r *Reader) length(stop <-chan struct{}) (int, error) {
	n := uint64(0)
	for i := 0; ; i++ {
		if r.off == len(r.buf) {
			if err := r.fill(stop); err == io.EOF && i > 0 {
				return 0, r.malformed("cut short")
			} else if err != nil {
				return 0, err
			}
		}
		c := r.buf[r.off]
		r.off++
		n |= uint64(c&0x7f) << (7 * i)
		switch {
		case n > MaxItem:
			return 0, r.malformed(fmt.Sprintf("longer than %d MiB", MaxItem>>20))
		case c == 0 && i > 0, i == 3 && c >= 0x80, n == 0 && c < 0x80:
			return 0, r.malformed("the length is malformed")
		case c < 0x80:
			return int(n), nil
		}
	}
}

// fill reads more into an empty buffer.
func (r *Reader) fill(stop <-chan struct{}) error {
	if cap(r.buf) == 0 {
		r.buf = make([]byte, 0, small)
	}
	n, err := r.source.Read(stop, r.buf[:cap(r.buf)])
	if n == 0 {
		return err
	}
	r.buf, r.off = r.buf[:n], 0
	return nil
}

// value returns the next n bytes: those of the buffer, or of memory that grows
// as they arrive.
func (r *Reader) value(stop <-chan struct{}, n int) ([]byte, error) {
	have := r.buf[r.off:]
	if n <= len(have) {
		r.off += n
		return have[:n], nil
	}
	r.off = len(r.buf)
	value := append(make([]byte, 0, min(n, free)), have...)
	held := 0
	defer func() { r.budget.release(held) }()
	for len(value) < n {
		if len(value) == cap(value) {
			more := min(n, 2*cap(value)) - cap(value)
			if !r.budget.hold(more) {
				return nil, ErrNoMemory
			}
			held += more
			value = append(make([]byte, 0, cap(value)+more), value...)
		}
		got, err := r.source.Read(stop, value[len(value):min(n, cap(value))])
		value = value[:len(value)+got]
		switch {
		case got > 0:
		case err == io.EOF:
			return nil, r.malformed("cut short")
		default:
			return nil, err
		}
	}
	return value, nil
}
