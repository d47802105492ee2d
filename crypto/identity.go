package crypto

import (
	"crypto/ed25519"
	"crypto/rand"
)

// Identity is a node's own key pair (Ed25519), by which others know it again.
// It never changes and may be used by several goroutines.
type Identity struct {
	secret
	key *ed25519.PrivateKey // a pointer; see secret
}

// NewIdentity returns a new random identity, in memory only.
func NewIdentity() *Identity {
	var seed [ed25519.SeedSize]byte
	defer wipe(seed[:])
	rand.Read(seed[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
	return IdentityFromSeed(seed)
}

// IdentityFromSeed returns the identity that a 32-byte secret stands for.
func IdentityFromSeed(seed [32]byte) *Identity {
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Identity{key: &key}
}

// Public returns the public key.
func (id *Identity) Public() NodeKey { return NodeKey(id.key.Public().(ed25519.PublicKey)) }

// Sign returns the 64-byte signature over msg.
func (id *Identity) Sign(msg []byte) []byte { return ed25519.Sign(*id.key, msg) }
