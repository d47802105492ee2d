package crypto

import (
	"time"

	"github.com/fernet/fernet-go"
)

// SealToken returns plain as a Fernet token that says it was sealed at now. It
// is for the odd token; see [Sealer] for many. It panics if plain is longer
// than [MaxPlaintext].
func SealToken(key [32]byte, plain []byte, now time.Time) []byte {
	checkPlaintext(len(plain))
	token, err := fernet.EncryptAndSignAtTime(plain, (*fernet.Key)(&key), now)
	if err != nil { // only when crypto/rand fails, which ends the process before
		panic("crypto: SealToken: " + err.Error())
	}
	return token
}

// OpenToken opens a token made with one of the keys, and returns the message,
// the time of sealing and the index of the key. Time is not judged: the caller
// compares it with its clock, or knows another way that the token is fresh. A
// time after the year 9999 is given as that year's last second.
//
// Errors are of type [*TokenError]. This is stricter than fernet-go, which is
// behind it: only the one canonical spelling of a token is opened. It is for
// the odd token; see [Opener] for many.
func OpenToken(keys [][32]byte, token []byte) (plain []byte, sealed time.Time, index int, err error) {
	n, ok := rawLen(token)
	if !ok {
		return nil, time.Time{}, 0, errTokenLength
	}
	raw, ok := decodeCanonical(token)
	if !ok || len(raw) != n {
		return nil, time.Time{}, 0, errTokenBase64
	}
	if raw[0] != fernetVersion {
		return nil, time.Time{}, 0, errTokenVersion
	}
	for i := range keys {
		plain := verifyAndDecrypt(&keys[i], token)
		if plain == nil {
			continue
		}
		if padding := n - overhead - len(plain); padding < 1 || padding > blockLen {
			return nil, time.Time{}, 0, errTokenPadding
		}
		return plain, sealedTime(raw), i, nil
	}
	return nil, time.Time{}, 0, errTokenKey
}

// verifyAndDecrypt returns nil for a token that does not open. fernet-go has
// panicked on odd tokens before; the lengths are checked by now, and recover is the second net.
func verifyAndDecrypt(key *[32]byte, token []byte) (plain []byte) {
	defer func() {
		if recover() != nil {
			plain = nil
		}
	}()
	const noTTL = 0 // the caller judges the time
	return fernet.VerifyAndDecrypt(token, noTTL, []*fernet.Key{(*fernet.Key)(key)})
}
