package rpc

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestPiecesGrowAsTheySayAndComeBackWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var p pieces
		var want []byte
		most := 1 << random.IntN(18) // of a chunk
		held := 0
		for range 1 + random.IntN(20) {
			chunk := make([]byte, random.IntN(most))
			for i := range chunk {
				chunk[i] = byte(random.Uint32())
			}
			held += p.growth(len(chunk))
			p.add(chunk)
			want = append(want, chunk...)
		}
		room := 0
		for _, part := range p.parts {
			room += cap(part)
		}
		if room != held || room > max(2*len(want), len(want)+blockSize) {
			t.Fatalf("%d bytes take %d, and %d were announced", len(want), room, held)
		}
		if head := p.head(idHead); !bytes.Equal(head, want[:min(idHead, len(want))]) {
			t.Fatalf("head is %x of %x", head, want)
		}
		if got := p.join(); !bytes.Equal(got, want) || !bytes.Equal(p.join(), want) || cap(got) > len(want)+len(want)/4+16 {
			t.Fatalf("%d bytes became %d, in %d", len(want), len(got), cap(got))
		}
	}
}
