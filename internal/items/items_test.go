package items

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// trickle is a Source that gives bytes in pieces of one size.
type trickle struct {
	data  []byte
	piece int
	end   error
}

func (s *trickle) Read(_ <-chan struct{}, p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, s.end
	}
	n := copy(p, s.data[:min(s.piece, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

// sink keeps what is written.
type sink struct{ bytes.Buffer }

func (s *sink) Write(_ <-chan struct{}, p []byte) (int, error) { return s.Buffer.Write(p) }

func bin(n int) []byte { return wire.AppendBytes(nil, bytes.Repeat([]byte{7}, n)) }

func TestValuesComeAsTheyWereInAnyPieces(t *testing.T) {
	values := [][]byte{{0xc0}, bin(5), bin(small - 3), bin(small + 1), bin(free), bin(1 << 20), {0x01}}
	var s sink
	for _, v := range values {
		if err := Write(&s, nil, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, piece := range []int{1, 3, small, free, 1 << 22} {
		budget := NewBudget(2 << 20)
		r := NewReader(&trickle{s.Bytes(), piece, io.EOF}, budget)
		for i, want := range values {
			got, err := r.Next(nil)
			if err != nil || !bytes.Equal(got, want) || r.Count() != i+1 {
				t.Fatalf("pieces of %d, value %d: %d bytes, %v", piece, i, len(got), err)
			}
		}
		for range 2 {
			if _, err := r.Next(nil); err != io.EOF {
				t.Fatalf("the end: %v", err)
			}
		}
		if budget.used.Load() != 0 {
			t.Errorf("%d bytes of the budget are still held", budget.used.Load())
		}
	}
}

func TestWhatIsNoRowOfValuesIsRefused(t *testing.T) {
	broken := errors.New("link broken")
	for name, tc := range map[string]struct {
		data string
		end  error
		want string
	}{
		"empty value":       {"\x00", io.EOF, "item 0: the length is malformed"},
		"long length":       {"\x81\x00\xc0", io.EOF, "item 0: the length is malformed"},
		"endless length":    {"\x80\x80\x80\x80", io.EOF, "item 0: the length is malformed"},
		"too long":          {"\x81\x80\x80\x20", io.EOF, "item 0: longer than 64 MiB"},
		"cut in the length": {"\x01\xc0\x81", io.EOF, "item 1: cut short"},
		"cut in the value":  {"\x05\xc0", io.EOF, "item 0: cut short"},
		"two values":        {"\x02\xc0\xc0", io.EOF, "item 0: wire: msgpack value refused: trailing bytes at byte 1"},
		"not msgpack":       {"\x01\xc1", io.EOF, "item 0: wire: msgpack value refused: malformed at byte 0"},
		"source fails":      {"\x05\xc0", broken, "link broken"},
	} {
		r := NewReader(&trickle{[]byte(tc.data), 2, tc.end}, nil)
		var err error
		for err == nil {
			_, err = r.Next(nil)
		}
		if err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		if _, again := r.Next(nil); again != err {
			t.Errorf("%s: then %v", name, again)
		}
	}
}

func TestALengthIsNotBelievedBeforeItsBytes(t *testing.T) {
	claim := append(binary.AppendUvarint(nil, MaxItem), 0xc6)
	r := NewReader(&trickle{claim, 8, io.EOF}, NewBudget(0))
	if _, err := r.Next(nil); err == nil || errors.Is(err, ErrNoMemory) {
		t.Errorf("%v; want it cut short: the claim alone takes no memory", err)
	}
}

func TestLargeValuesShareABudget(t *testing.T) {
	var s sink
	for range 2 {
		_ = Write(&s, nil, bin(1<<20))
	}
	budget := NewBudget(1 << 19)
	r := NewReader(&trickle{s.Bytes(), small, io.EOF}, budget)
	if _, err := r.Next(nil); !errors.Is(err, ErrNoMemory) || budget.Refused() != 1 || budget.used.Load() != 0 {
		t.Errorf("%v, %d refused, %d held", err, budget.Refused(), budget.used.Load())
	}
	budget.Limit(2 << 20)
	r = NewReader(&trickle{s.Bytes(), small, io.EOF}, budget)
	for range 2 {
		if _, err := r.Next(nil); err != nil {
			t.Error(err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\x01\xc0\x02\x92\xc0"), 1)
	f.Add([]byte("\x05\xc4\x03abc\x01\x01"), 3)
	f.Add([]byte(strings.Repeat("\x80", 5)), 2)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		read := func(piece int) (all [][]byte, err error) {
			r := NewReader(&trickle{data, piece, io.EOF}, NewBudget(1<<20))
			for {
				v, err := r.Next(nil)
				if err != nil {
					return all, err
				}
				all = append(all, bytes.Clone(v))
			}
		}
		whole, err := read(1 << 20)
		parts, perr := read(1 + piece&63)
		if len(whole) != len(parts) || err.Error() != perr.Error() {
			t.Fatalf("%d values and %v, in pieces %d and %v", len(whole), err, len(parts), perr)
		}
		var s sink
		for _, v := range whole {
			_ = Write(&s, nil, v)
		}
		if err == io.EOF && !bytes.Equal(s.Bytes(), data) {
			t.Fatalf("written again: %x, was %x", s.Bytes(), data)
		}
	})
}
