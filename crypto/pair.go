package crypto

import (
	"crypto/cipher"
	"crypto/subtle"
	"time"
)

// HoldPair takes the first message of a pair, which SealPair seals. It keeps no
// part of plain.
func (s *Sealer) HoldPair(plain []byte, now time.Time) {
	s.raw = lay(s.raw, plain, now, s.ivs.next())
}

// SealPair is [Sealer.Seal] for two messages at once: that of HoldPair, whose token
// is appended to dst, and plain2 to dst2, which must not overlap dst. Within a
// message each block waits for the one before, so that a processor computes two
// together in less time than one after the other.
func (s *Sealer) SealPair(dst, dst2, plain2 []byte, now time.Time) (token, token2 []byte) {
	s.second = lay(s.second, plain2, now, s.ivs.next())
	a, b := encrypted(s.raw), encrypted(s.second)
	ivA, ivB := s.raw[ivOffset:textOffset], s.second[ivOffset:textOffset]
	both := min(len(a), len(b))
	chainPair(s.block, a[:both], b[:both], ivA, ivB)
	s.chainRest(a, ivA, both)
	s.chainRest(b, ivB, both)
	return s.sign(dst, s.raw), s.sign(dst2, s.second)
}

// chainPair encrypts two messages of one length by CBC, in turns.
func chainPair(block cipher.Block, a, b, ivA, ivB []byte) {
	for i := 0; i < len(a); i += blockLen {
		x, y := a[i:i+blockLen:i+blockLen], b[i:i+blockLen:i+blockLen]
		subtle.XORBytes(x, x, ivA)
		subtle.XORBytes(y, y, ivB)
		block.Encrypt(x, x)
		block.Encrypt(y, y)
		ivA, ivB = x, y
	}
}

// chainRest encrypts a message by CBC from where its first blocks end.
func (s *Sealer) chainRest(text, iv []byte, done int) {
	if done == len(text) {
		return
	}
	if done > 0 {
		iv = text[done-blockLen : done]
	}
	s.cbc.SetIV(iv)
	s.cbc.CryptBlocks(text[done:], text[done:])
}
