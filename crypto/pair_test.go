package crypto

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// Two that are sealed together are what each would be alone, whatever their
// lengths, and another implementation of CBC opens them.
func TestAPairOpensAsTwoTokens(t *testing.T) {
	key := [32]byte{1, 2, 3}
	s, o := NewSealer(key), NewOpener(key)
	now := time.Unix(1_700_000_000, 0)
	for _, n := range []int{0, 1, 15, 16, 17, 4096, MaxPlaintext} {
		for _, m := range []int{0, 15, 16, 40, 5000, MaxPlaintext} {
			one, two := bytes.Repeat([]byte{7}, n), bytes.Repeat([]byte{9}, m)
			s.HoldPair(one, now)
			a, b := s.SealPair([]byte("x"), nil, two, now)
			if len(a) != 1+SealedLen(n) || a[0] != 'x' || len(b) != SealedLen(m) {
				t.Fatalf("%d and %d bytes: tokens of %d and %d", n, m, len(a), len(b))
			}
			for _, c := range []struct{ token, want []byte }{{a[1:], one}, {b, two}} {
				got, sealed, err := o.Open(nil, c.token)
				if err != nil || !bytes.Equal(got, c.want) || !sealed.Equal(now) {
					t.Fatalf("%d and %d bytes: %v", n, m, err)
				}
			}
			if bytes.Equal(s.raw[ivOffset:textOffset], s.second[ivOffset:textOffset]) {
				t.Fatal("both have the same IV")
			}
		}
	}
}

func TestSealPairDoesNotAllocate(t *testing.T) {
	s := NewSealer([32]byte{1})
	plain := make([]byte, 4096)
	var a, b []byte
	now := time.Now()
	seal := func() {
		s.HoldPair(plain, now)
		a, b = s.SealPair(a[:0], b[:0], plain, now)
	}
	seal()
	if n := testing.AllocsPerRun(100, seal); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSealPair seals two messages, together and one after the other.
func BenchmarkSealPair(b *testing.B) {
	for _, n := range []int{256, 1 << 10, 4 << 10, 16 << 10, 32 << 10} {
		s, plain, now := NewSealer([32]byte{1}), make([]byte, n), time.Now()
		var x, y []byte
		b.Run(fmt.Sprintf("%d/together", n), func(b *testing.B) {
			b.SetBytes(2 * int64(n))
			for b.Loop() {
				s.HoldPair(plain, now)
				x, y = s.SealPair(x[:0], y[:0], plain, now)
			}
		})
		b.Run(fmt.Sprintf("%d/apart", n), func(b *testing.B) {
			b.SetBytes(2 * int64(n))
			for b.Loop() {
				x, y = s.Seal(x[:0], plain, now), s.Seal(y[:0], plain, now)
			}
		})
	}
}
