package crypto

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrWeakKey is returned by [Key.Weak] for a key that everybody knows or can guess.
var ErrWeakKey = errors.New("this key is published or trivial, and protects nothing; make one with crypto.GenerateKey or the keygen command")

// published holds SHA-256 hashes of keys that stand in documents and test
// files; hashes, so that no search for keys ever finds one here.
var published = map[string]bool{
	"cbeb362f1fa69a6691db592f4529cf6bea1ce089eb132a3350c9081279ff8f34": true, // the Fernet specification, and fm1's known answers
	"ee3e3b4ce215204669f94d84a88c40f0302e9a6f54867465ad40cd89b2328f1b": true, // captures of PeerBase 0.7.1
}

// Weak returns [ErrWeakKey] for the zero Key, for 32 equal bytes, for the bytes
// 0 to 31, and for keys published in specifications and test files. ParseKey
// takes such keys, since test vectors need them; whoever configures a network refuses them.
func (k Key) Weak() error {
	if k.ref == nil {
		return ErrWeakKey
	}
	first, equal, counting := k.raw()[0], true, true
	for i, b := range k.raw() {
		equal = equal && b == first
		counting = counting && b == byte(i)
	}
	sum := sha256.Sum256(k.raw()[:])
	if equal || counting || published[hex.EncodeToString(sum[:])] {
		return ErrWeakKey
	}
	return nil
}
