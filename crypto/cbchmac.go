package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// ivSetter is what the CBC modes of crypto/aes are besides a BlockMode;
// crypto/tls counts on it as well. It saves an allocation per token.
type ivSetter interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// tokenMAC is HMAC-SHA256 with the first half of a Fernet key. Reset restores
// the state after the key, so that a token costs no key set-up.
func tokenMAC(key *[32]byte) hash.Hash { return hmac.New(sha256.New, key[:16]) }

// tokenBlock is AES-128 with the second half of a Fernet key.
func tokenBlock(key *[32]byte) cipher.Block {
	block, err := aes.NewCipher(key[16:])
	if err != nil { // only for other key lengths
		panic("crypto: " + err.Error())
	}
	return block
}
