package crypto

import (
	"fmt"
	"testing"

	"github.com/fernet/fernet-go"
)

var benchSizes = []int{64, 1 << 10, 64 << 10, 1 << 20}

// inFrames calls f for each part of a message as a session would cut it, into tokens of at most MaxPlaintext.
func inFrames(message []byte, f func(part []byte)) {
	for len(message) > 0 {
		n := min(len(message), MaxPlaintext)
		f(message[:n])
		message = message[n:]
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := NewSealer(repeated[[32]byte](1))
			message := make([]byte, size)
			var token []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				inFrames(message, func(part []byte) { token = s.Seal(token[:0], part, testTime) })
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			key := repeated[[32]byte](1)
			o := NewOpener(key)
			var tokens [][]byte
			inFrames(make([]byte, size), func(part []byte) { tokens = append(tokens, SealToken(key, part, testTime)) })
			var plain []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, token := range tokens {
					var err error
					if plain, _, err = o.Open(plain[:0], token); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// bulkSizes are those of a full CHUNK and of a full frame.
var bulkSizes = []int{16 << 10, MaxPlaintext}

// BenchmarkSessionSeal compares the two kinds of frames of a session.
func BenchmarkSessionSeal(b *testing.B) {
	for _, size := range bulkSizes {
		initiator, _ := bulkPair(b)
		message, frame := make([]byte, size), []byte(nil)
		b.Run(fmt.Sprintf("%d/fernet", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				frame = initiator.Send().Seal(frame[:0], message, testTime)
			}
		})
		seq := uint64(0)
		b.Run(fmt.Sprintf("%d/bulk", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				frame = initiator.Send().SealBulk(frame[:0], message, seq, testTime)
				seq++
			}
		})
	}
}

// BenchmarkSessionOpen is BenchmarkSessionSeal for the other end. A bulk frame is
// copied first, since it opens in its own memory.
func BenchmarkSessionOpen(b *testing.B) {
	for _, size := range bulkSizes {
		initiator, responder := bulkPair(b)
		token := initiator.Send().Seal(nil, make([]byte, size), testTime)
		frame := initiator.Send().SealBulk(nil, make([]byte, size), 0, testTime)
		scratch := make([]byte, MaxToken)
		b.Run(fmt.Sprintf("%d/fernet", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := responder.Receive().Open(scratch[:0], token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d/bulk", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := responder.Receive().OpenBulk(scratch[:copy(scratch, frame)], 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFernetGoSeal(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			key := fernet.Key(repeated[[32]byte](1))
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				inFrames(message, func(part []byte) {
					if _, err := fernet.EncryptAndSignAtTime(part, &key, testTime); err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}

func BenchmarkFernetGoOpen(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			key := repeated[[32]byte](1)
			keys := []*fernet.Key{(*fernet.Key)(&key)}
			var tokens [][]byte
			inFrames(make([]byte, size), func(part []byte) { tokens = append(tokens, SealToken(key, part, testTime)) })
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, token := range tokens {
					if fernet.VerifyAndDecrypt(token, 0, keys) == nil {
						b.Fatal("refused")
					}
				}
			}
		})
	}
}

// BenchmarkRefuseToken is what a token made with another key costs.
func BenchmarkRefuseToken(b *testing.B) {
	o := NewOpener(repeated[[32]byte](1))
	token := SealToken(repeated[[32]byte](2), make([]byte, 200), testTime)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := o.Open(nil, token); err == nil {
			b.Fatal("opened")
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	s := Derive(GenerateKey(), "home")
	replay := NewReplaySet(ReplayEntries)
	b.ReportAllocs()
	for b.Loop() {
		in, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
		if err != nil {
			b.Fatal(err)
		}
		msg2, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Finish(msg2); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefuseStranger and BenchmarkRefuseReplay are R13's cost of a refusal.
func BenchmarkRefuseStranger(b *testing.B) {
	s := Derive(GenerateKey(), "home")
	msg1 := make([]byte, HandshakeLen)
	replay := NewReplaySet(ReplayEntries)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkRefuseReplay(b *testing.B) {
	s := Derive(GenerateKey(), "home")
	replay := NewReplaySet(ReplayEntries)
	_, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		b.Fatal(err)
	}
	replay.Enter([32]byte(msg1))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkAdvance(b *testing.B) {
	initiator, _ := pair(b)
	b.ReportAllocs()
	for b.Loop() {
		initiator.Send().Advance()
	}
}
