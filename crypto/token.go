package crypto

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

// A Fernet token, before base64: version 0x80 (1), Unix seconds (8), IV (16),
// AES-128-CBC of the PKCS #7 padded message (16 or a multiple), HMAC-SHA256 of
// all before (32).
const (
	fernetVersion = 0x80
	timeOffset    = 1
	ivOffset      = timeOffset + 8
	textOffset    = ivOffset + blockLen
	macLen        = 32
	overhead      = textOffset + macLen
	blockLen      = 16
)

const (
	// MaxPlaintext is the most bytes sealed into one token.
	MaxPlaintext = 64 << 10
	// MaxToken is the length of the token that holds MaxPlaintext bytes; no
	// longer one is opened.
	MaxToken = 87480
	// minToken is the length of the token that holds no bytes.
	minToken = 100
)

// SealedLen returns the length of the token for n bytes of plaintext.
func SealedLen(n int) int {
	return base64.URLEncoding.EncodedLen(overhead + paddedLen(n))
}

// MaxPlain returns the most bytes of plaintext whose token fits into n bytes,
// or -1 if none does.
func MaxPlain(n int) int {
	if n < minToken {
		return -1
	}
	raw := n / 4 * 3
	return (raw-overhead)/blockLen*blockLen - 1
}

func paddedLen(n int) int { return n/blockLen*blockLen + blockLen }

// Reason says why a token or a bulk frame was refused. Peers are not told: it is for counters and logs.
type Reason uint8

// The reasons, in the order in which they are looked for.
const (
	ReasonLength  Reason = iota + 1 // no token has this length
	ReasonBase64                    // not canonical padded URL-safe base64
	ReasonVersion                   // the first byte is not 0x80; of a bulk frame, not 0x01
	ReasonKey                       // made with another key, or altered
	ReasonPadding                   // authentic, but its padding is not PKCS #7 of 1 to 16 bytes
	ReasonBulk                      // a bulk frame in a session that has none
)

// String returns a word for the reason.
func (r Reason) String() string {
	switch r {
	case ReasonLength:
		return "length"
	case ReasonBase64:
		return "base64"
	case ReasonVersion:
		return "version"
	case ReasonKey:
		return "key"
	case ReasonPadding:
		return "padding"
	case ReasonBulk:
		return "bulk"
	}
	return "unknown"
}

// TokenError is the error for a refused token or bulk frame.
type TokenError struct {
	Reason Reason
}

// Error names the reason.
func (e *TokenError) Error() string { return "token refused: " + e.Reason.String() }

// One of each, so that refusing a token allocates nothing.
var (
	errTokenLength  = &TokenError{ReasonLength}
	errTokenBase64  = &TokenError{ReasonBase64}
	errTokenVersion = &TokenError{ReasonVersion}
	errTokenKey     = &TokenError{ReasonKey}
	errTokenPadding = &TokenError{ReasonPadding}
	errTokenBulk    = &TokenError{ReasonBulk}
)

// rawLen returns the decoded length of a token from its text, or false if no
// token has that text length. It looks at no byte but the last two.
func rawLen(token []byte) (int, bool) {
	n := len(token)
	if n < minToken || n > MaxToken || n%4 != 0 {
		return 0, false
	}
	raw := n / 4 * 3
	for i := n - 2; i < n; i++ {
		if token[i] == '=' {
			raw--
		}
	}
	return raw, raw >= overhead+blockLen && (raw-overhead)%blockLen == 0
}

// latestTime is the last second of the year 9999: a token may name any of 2^64
// seconds, and most of them overflow the arithmetic of package time.
const latestTime = 253402300799

// sealedTime returns the time a decoded token names.
func sealedTime(raw []byte) time.Time {
	return unixTime(binary.BigEndian.Uint64(raw[timeOffset:]))
}

// unixTime returns the time of a number of seconds from outside, not later than latestTime.
func unixTime(seconds uint64) time.Time {
	return time.Unix(int64(min(seconds, latestTime)), 0)
}

func checkPlaintext(n int) {
	if n > MaxPlaintext {
		panic("crypto: message over MaxPlaintext bytes")
	}
}
