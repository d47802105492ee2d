package crypto

import (
	"crypto/cipher"
	"encoding/binary"
	"hash"
	"slices"
	"time"

	"github.com/segmentio/asm/base64"
)

// Sealer makes Fernet tokens with one key, without allocating once its buffer
// has grown to the largest message. It is for one goroutine at a time.
type Sealer struct {
	secret
	mac    hash.Hash
	block  cipher.Block
	cbc    ivSetter
	ivs    ivSource
	raw    []byte // the token before base64
	second []byte // the same of the second one of a pair
}

// NewSealer returns a Sealer with the given Fernet key (signing half first).
func NewSealer(key [32]byte) *Sealer {
	s := new(Sealer)
	s.rekey(&key)
	return s
}

// rekey changes the key and keeps the buffers.
func (s *Sealer) rekey(key *[32]byte) {
	var iv [blockLen]byte
	s.mac = tokenMAC(key)
	s.block = tokenBlock(key)
	s.cbc = cipher.NewCBCEncrypter(s.block, iv[:]).(ivSetter)
}

// Seal appends to dst the token for plain, which says it was sealed at now, and
// returns the extended slice. [SealedLen] tells the length. plain may overlap
// dst. It panics if plain is longer than [MaxPlaintext].
func (s *Sealer) Seal(dst, plain []byte, now time.Time) []byte {
	return s.seal(dst, plain, now, s.ivs.next())
}

func (s *Sealer) seal(dst, plain []byte, now time.Time, iv []byte) []byte {
	s.raw = lay(s.raw, plain, now, iv)
	text := encrypted(s.raw)
	s.cbc.SetIV(iv)
	s.cbc.CryptBlocks(text, text)
	return s.sign(dst, s.raw)
}

// lay puts a token before base64 into a buffer, not yet encrypted and signed.
func lay(raw, plain []byte, now time.Time, iv []byte) []byte {
	checkPlaintext(len(plain))
	padded := paddedLen(len(plain))
	raw = slices.Grow(raw[:0], overhead+padded)[:overhead+padded]
	raw[0] = fernetVersion
	binary.BigEndian.PutUint64(raw[timeOffset:], uint64(now.Unix()))
	copy(raw[ivOffset:], iv)
	text := encrypted(raw)
	padding := text[copy(text, plain):]
	for i := range padding {
		padding[i] = byte(len(padding))
	}
	return raw
}

// encrypted is the part of a token before base64 that is encrypted.
func encrypted(raw []byte) []byte { return raw[textOffset : len(raw)-macLen] }

// sign appends to dst the token for raw, whose signature it fills in.
func (s *Sealer) sign(dst, raw []byte) []byte {
	signed := raw[:len(raw)-macLen]
	s.mac.Reset()
	s.mac.Write(signed)
	s.mac.Sum(signed)

	at := len(dst)
	length := base64.URLEncoding.EncodedLen(len(raw))
	dst = slices.Grow(dst, length)[:at+length]
	base64.URLEncoding.Encode(dst[at:], raw)
	return dst
}
