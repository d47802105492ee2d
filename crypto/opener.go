package crypto

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"hash"
	"slices"
	"time"

	"github.com/segmentio/asm/base64"
)

// Opener opens Fernet tokens of one key, without allocating once its buffer has
// grown to the largest token. It is for one goroutine at a time.
type Opener struct {
	secret
	mac   hash.Hash
	cbc   ivSetter
	sum   [macLen]byte
	raw   []byte // the token after base64
	check [encodedChunk]byte
}

// decoderSlack is room after the decoded token, because vector code may store whole registers.
const decoderSlack = 64

// A canonical token is checked piece by piece, to need no second buffer of its size.
const (
	rawChunk     = 768
	encodedChunk = rawChunk / 3 * 4
)

// NewOpener returns an Opener with the given Fernet key (signing half first).
func NewOpener(key [32]byte) *Opener {
	o := new(Opener)
	o.rekey(&key)
	return o
}

// rekey changes the key and keeps the buffers.
func (o *Opener) rekey(key *[32]byte) {
	var iv [blockLen]byte
	o.mac = tokenMAC(key)
	o.cbc = cipher.NewCBCDecrypter(tokenBlock(key), iv[:]).(ivSetter)
}

// Open appends to dst the message in token, and returns the extended slice and
// the time of sealing, which the caller judges; see [OpenToken] for it and for
// what is opened. dst and token may overlap. After an error, of type
// [*TokenError], the slice is nil and nothing was written to dst's first
// len(dst) bytes.
func (o *Opener) Open(dst, token []byte) (plain []byte, sealed time.Time, err error) {
	n, ok := rawLen(token)
	if !ok {
		return nil, time.Time{}, errTokenLength
	}
	raw, ok := o.decode(token, n)
	if !ok {
		return nil, time.Time{}, errTokenBase64
	}
	if raw[0] != fernetVersion {
		return nil, time.Time{}, errTokenVersion
	}
	signed := raw[:n-macLen]
	o.mac.Reset()
	o.mac.Write(signed)
	if !hmac.Equal(o.mac.Sum(o.sum[:0]), raw[n-macLen:]) {
		return nil, time.Time{}, errTokenKey
	}
	encrypted := signed[textOffset:]
	at := len(dst)
	dst = slices.Grow(dst, len(encrypted))[:at+len(encrypted)]
	o.cbc.SetIV(signed[ivOffset:textOffset])
	o.cbc.CryptBlocks(dst[at:], encrypted)
	padding, ok := paddingLen(dst[at:])
	if !ok {
		return nil, time.Time{}, errTokenPadding
	}
	return dst[:len(dst)-padding], sealedTime(raw), nil
}

// decode returns the n bytes of a token in canonical base64. The vector
// decoders differ in what they let pass (one takes / for _, all skip line
// breaks and stray bits), so what was decoded is encoded again and compared.
func (o *Opener) decode(token []byte, n int) ([]byte, bool) {
	size := len(token)/4*3 + decoderSlack
	o.raw = slices.Grow(o.raw[:0], size)[:size]
	if got, err := base64.URLEncoding.Decode(o.raw, token); err != nil || got != n {
		return nil, false
	}
	raw := o.raw[:n]
	for len(raw) > 0 {
		part := raw[:min(len(raw), rawChunk)]
		text := o.check[:base64.URLEncoding.EncodedLen(len(part))]
		base64.URLEncoding.Encode(text, part)
		if !bytes.Equal(text, token[:len(text)]) { // no secret: a token travels in clear
			return nil, false
		}
		raw, token = raw[len(part):], token[len(text):]
	}
	return o.raw[:n], true
}

// paddingLen returns the length of PKCS #7 padding at the end of whole blocks.
// It need not hide where it finds a fault: the MAC was right, so the message
// comes from a holder of the key.
func paddingLen(b []byte) (int, bool) {
	n := int(b[len(b)-1])
	if n < 1 || n > blockLen {
		return 0, false
	}
	for _, c := range b[len(b)-n:] {
		if int(c) != n {
			return 0, false
		}
	}
	return n, true
}
