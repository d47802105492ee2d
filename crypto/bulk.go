package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"slices"
	"time"
)

// FeatureBulk is the bit of an [Offer] for bulk frames (section 4): frames that
// hold only parts of large messages and streams, sealed with AES-256-GCM. They
// exist in a session only if both ends offered them.
const FeatureBulk uint64 = 1 << 0

// A bulk frame: its kind (1), Unix seconds of its sealing (8), the encrypted
// message, tag (16). All of it is under the tag.
const (
	bulkKind   = 0x01 // a token begins with 'g'
	bulkHead   = 1 + 8
	bulkTagLen = 16
	bulkNonce  = 12
)

const (
	// BulkOverhead is what a bulk frame adds to its plaintext, in bytes.
	BulkOverhead = bulkHead + bulkTagLen
	// MinBulkPlain is the least plaintext of a bulk frame, so that none has the
	// length of a handshake message. The most is MaxPlaintext.
	MinBulkPlain = 1 << 10
)

// Bulk reports whether both ends take bulk frames.
func (a Agreement) Bulk() bool { return a.Features&FeatureBulk != 0 }

// IsBulk reports whether a frame claims to be a bulk frame. No token does.
func IsBulk(frame []byte) bool { return len(frame) > 0 && frame[0] == bulkKind }

// bulkCipher is AES-256-GCM with the bulk key of one direction. The sequence
// number is the nonce: it never repeats in a session, and neither does a key.
type bulkCipher struct {
	aead  cipher.AEAD
	nonce [bulkNonce]byte // zero 4, sequence number 8
}

// newBulkCipher returns nil if the session has no bulk frames.
func newBulkCipher(agreed bool) *bulkCipher {
	if !agreed {
		return nil
	}
	return new(bulkCipher)
}

// rekey takes the bulk key of the chain's epoch.
func (b *bulkCipher) rekey(c *chain) {
	if b == nil {
		return
	}
	key := c.bulkKey()
	defer wipe(key[:])
	b.aead = gcmOf(&key)
}

func gcmOf(key *[32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil { // only for other lengths of the key
		panic("crypto: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil { // only for another block size, or where FIPS mode is the only one
		panic("crypto: " + err.Error())
	}
	return aead
}

func (b *bulkCipher) nonceOf(seq uint64) []byte {
	binary.BigEndian.PutUint64(b.nonce[bulkNonce-8:], seq)
	return b.nonce[:]
}

// SealBulk appends plain as the bulk frame with the given sequence number, which
// says it was sealed at now. plain must not overlap dst. It panics where sealing
// would be unsafe or in vain: if the session has no bulk frames (see
// [Agreement.Bulk]), if a bulk frame with this or a higher sequence number was
// sealed before, and if plain has less than [MinBulkPlain] or more than
// [MaxPlaintext] bytes.
func (s *SendCipher) SealBulk(dst, plain []byte, seq uint64, now time.Time) []byte {
	switch {
	case s.bulk == nil:
		panic("crypto: SealBulk: the session has no bulk frames")
	case seq < s.unused:
		panic("crypto: SealBulk: the sequence number was used before")
	case len(plain) < MinBulkPlain:
		panic("crypto: SealBulk: message under MinBulkPlain bytes")
	}
	checkPlaintext(len(plain))
	s.unused = seq + 1
	at := len(dst)
	dst = append(slices.Grow(dst, len(plain)+BulkOverhead), bulkKind)
	dst = binary.BigEndian.AppendUint64(dst, uint64(now.Unix()))
	return s.bulk.aead.Seal(dst, s.bulk.nonceOf(seq), plain, dst[at:])
}

// OpenBulk opens the bulk frame with the given sequence number in its own
// memory, and returns the message there and the time of sealing, which the
// caller judges. After an error, of type [*TokenError], the frame is of no use.
func (r *ReceiveCipher) OpenBulk(frame []byte, seq uint64) (plain []byte, sealed time.Time, err error) {
	switch {
	case r.bulk == nil:
		return nil, time.Time{}, errTokenBulk
	case len(frame) < MinBulkPlain+BulkOverhead || len(frame) > MaxPlaintext+BulkOverhead:
		return nil, time.Time{}, errTokenLength
	case !IsBulk(frame):
		return nil, time.Time{}, errTokenVersion
	}
	head, text := frame[:bulkHead], frame[bulkHead:]
	plain, err = r.bulk.aead.Open(text[:0], r.bulk.nonceOf(seq), text, head)
	if err != nil {
		return nil, time.Time{}, errTokenKey
	}
	return plain, unixTime(binary.BigEndian.Uint64(head[1:])), nil
}
