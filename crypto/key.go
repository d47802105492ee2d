package crypto

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// KeyTextLen is the length of a key's text: 32 bytes in padded URL-safe base64.
const KeyTextLen = 44

// ErrBadKey is wrapped by every error of [ParseKey].
var ErrBadKey = errors.New("not a Fernet key")

// Key is a network key: an ordinary Fernet key of 32 bytes. The zero Key is
// no key. Keys are compared with [Key.Equal]; == does not compile. A Key never
// changes and may be used by several goroutines.
type Key struct {
	_   [0]func()  // makes == impossible: it would compare pointers, and not in constant time
	ref **[32]byte // see secret, on what fmt prints of a Key in an unexported field
}

func newKey(b *[32]byte) Key { return Key{ref: &b} }

// raw returns the key's bytes. The Key must not be the zero Key.
func (k Key) raw() *[32]byte { return *k.ref }

// GenerateKey returns a new random key.
func GenerateKey() Key {
	var b [32]byte
	rand.Read(b[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
	return newKey(&b)
}

// ParseKey reads the text of a Fernet key: exactly 44 characters of padded
// URL-safe base64, with the unused bits of the last one zero, so that each key
// has one spelling. Surrounding space is an error too. The error wraps
// [ErrBadKey] and never repeats the text.
func ParseKey(s string) (Key, error) {
	if len(s) != KeyTextLen {
		return Key{}, fmt.Errorf("%w: a key has %d characters, this has %d", ErrBadKey, KeyTextLen, len(s))
	}
	if strings.ContainsAny(s, "+/") {
		return Key{}, fmt.Errorf("%w: standard base64; a Fernet key is written with - and _ in place of + and /", ErrBadKey)
	}
	b, ok := decodeCanonical([]byte(s))
	if !ok || len(b) != 32 {
		return Key{}, fmt.Errorf("%w: the %d characters are not URL-safe base64 of 32 bytes", ErrBadKey, KeyTextLen)
	}
	return newKey((*[32]byte)(b)), nil
}

// Reveal returns the text of the key, the only way to it. The zero Key gives "".
func (k Key) Reveal() string {
	if k.ref == nil {
		return ""
	}
	return base64.URLEncoding.EncodeToString(k.raw()[:])
}

// Equal reports in constant time whether both are the same key. Two zero Keys are equal.
func (k Key) Equal(other Key) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() && other.IsZero()
	}
	return subtle.ConstantTimeCompare(k.raw()[:], other.raw()[:]) == 1
}

// IsZero reports whether k is the zero Key, which is no key.
func (k Key) IsZero() bool { return k.ref == nil }

// String returns "fernet:" and 4 hex digits of a hash of the key: enough to
// tell two keys apart in a log, useless to whoever wants the key.
func (k Key) String() string {
	if k.ref == nil {
		return "fernet:none"
	}
	sum := sha256.Sum256(append([]byte("fernmesh key fingerprint\x00"), k.raw()[:]...))
	return "fernet:" + hex.EncodeToString(sum[:2])
}

// GoString returns what [Key.String] does.
func (k Key) GoString() string { return k.String() }

// Format prints what [Key.String] returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { printRedacted(f, k.String()) }

// LogValue returns what [Key.String] does.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns what [Key.String] does: a key does not leave through an encoder.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// decodeCanonical decodes padded URL-safe base64 and reports false unless text
// is the one spelling of its bytes: no line breaks, no stray bits, no other alphabet.
func decodeCanonical(text []byte) ([]byte, bool) {
	b := make([]byte, base64.URLEncoding.DecodedLen(len(text)))
	n, err := base64.URLEncoding.Strict().Decode(b, text)
	if err != nil {
		return nil, false
	}
	b = b[:n]
	return b, bytes.Equal(base64.URLEncoding.AppendEncode(nil, b), text)
}
