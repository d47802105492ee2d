package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// ErrTooBig is returned by Marshal for a value that would take more than
// MaxBig bytes.
var ErrTooBig = errors.New("wire: value takes more than 64 MiB")

// fieldTag names struct fields where there is no msgpack tag, so that one tag
// serves the wire and a JSON schema.
const fieldTag = "json"

// keptBuffer is the largest buffer kept for the next Marshal.
const keptBuffer = 64 << 10

// encoder is a msgpack encoder with its output.
type encoder struct {
	out bounded
	enc *msgpack.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.out)
	return e
}}

// Marshal encodes v as msgpack: integers in their shortest form, maps with
// sorted keys, struct fields under their msgpack tag, else their json tag, else
// their name. It refuses what the other side would refuse: map keys that are
// not strings, nesting deeper than MaxDepth, values beyond Data and MaxBig.
// A type's own encoding is used as it is. Safe for concurrent use.
func Marshal(v any) ([]byte, error) {
	w := plainWriter{values: DataValues}
	ok, err := w.write(v, 0)
	if err != nil {
		return nil, err
	}
	if !ok {
		return marshalTyped(v)
	}
	if err := checkOwn(w.out); err != nil {
		return nil, err
	}
	return w.out, nil
}

// checkOwn passes what this side encoded through the other side's checks.
func checkOwn(b []byte) error {
	if len(b) > MaxBig {
		return ErrTooBig
	}
	return Guard(b, Data)
}

// marshalTyped encodes v with the library.
func marshalTyped(v any) ([]byte, error) {
	budget := DataValues
	if err := checkShape(reflect.ValueOf(v), 0, &budget); err != nil {
		return nil, err
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	if err := e.encode(v); err != nil {
		return nil, err
	}
	encoded := e.out.Bytes()
	w := newWalker(encoded, Data)
	defer w.release()
	if err := w.whole(); err != nil {
		return nil, err
	}
	if w.unsorted {
		return appendSorted(make([]byte, 0, len(encoded)), encoded), nil
	}
	return bytes.Clone(encoded), nil
}

// encode runs the library. A panic, which some types' own encoders may cause,
// is an error here.
func (e *encoder) encode(v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("wire: encoding %T panicked: %v", v, p)
		}
	}()
	e.out.Reset()
	e.enc.Reset(&e.out)
	e.enc.UseCompactInts(true)
	e.enc.SetSortMapKeys(true)
	e.enc.SetCustomStructTag(fieldTag)
	return e.enc.Encode(v)
}

func (e *encoder) release() {
	if e.out.Cap() <= keptBuffer {
		encoders.Put(e)
	}
}

// bounded is a buffer that stops at MaxBig.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxBig {
		return 0, ErrTooBig
	}
	return b.Buffer.Write(p)
}

// WriteByte implements io.ByteWriter, which the encoder asks for.
func (b *bounded) WriteByte(c byte) error {
	if b.Len() >= MaxBig {
		return ErrTooBig
	}
	return b.Buffer.WriteByte(c)
}

// appendSorted appends the value b with the entries of every map in the order
// of their keys. b passed Guard, so that the recursion is at most MaxDepth deep.
func appendSorted(dst, b []byte) []byte {
	h := readHead(b)
	dst = append(dst, b[:h.size]...)
	rest := b[h.size:]
	switch h.kind {
	case kindArray:
		for range h.value {
			n := skip(rest)
			dst = appendSorted(dst, rest[:n])
			rest = rest[n:]
		}
	case kindMap:
		for _, e := range sortedEntries(rest, int(h.value)) {
			dst = append(dst, e.key...)
			dst = appendSorted(dst, e.value)
		}
	}
	return dst
}

// entry is one entry of an encoded map.
type entry struct{ text, key, value []byte }

// sortedEntries cuts n map entries off b and sorts them by key.
func sortedEntries(b []byte, n int) []entry {
	entries := make([]entry, n)
	for i := range entries {
		h := readHead(b)
		size := skip(b[h.size:])
		entries[i] = entry{b[h.start:h.size], b[:h.size], b[h.size : h.size+size]}
		b = b[h.size+size:]
	}
	slices.SortFunc(entries, func(x, y entry) int { return bytes.Compare(x.text, y.text) })
	return entries
}
