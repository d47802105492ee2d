package codec_test

import (
	"bytes"
	"testing"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

type octet byte

func TestBytesOfAnyTypeComeBackWhole(t *testing.T) {
	want := []byte{1, 2, 253, 254}
	raw, err := codec.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		slice []byte
		named []octet
		array [4]byte
		both  [4]octet
	}
	for _, to := range []any{&got.slice, &got.named, &got.array, &got.both} {
		if err := codec.Decode(raw, to); err != nil {
			t.Fatalf("%T: %v", to, err)
		}
	}
	raw[len(raw)-1] = 0 // what was decoded is the caller's own
	for i, b := range want {
		if got.slice[i] != b || got.named[i] != octet(b) || got.array[i] != b || got.both[i] != octet(b) {
			t.Fatalf("byte %d: got %+v, want %v", i, got, want)
		}
	}
}

// BenchmarkDecodeBytes is an argument of bytes, as a handler takes it.
func BenchmarkDecodeBytes(b *testing.B) {
	raw, err := codec.Encode(bytes.Repeat([]byte{7}, 64<<10))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	var to []byte
	for b.Loop() {
		if err := codec.Decode(raw, &to); err != nil {
			b.Fatal(err)
		}
	}
}
