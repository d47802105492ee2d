package relay

import (
	"crypto/rand"
	"encoding/hex"
)

// ID is a relay's identity: its Ed25519 public key. It is no secret, and may be
// compared with == and used as a map key.
type ID [32]byte

// String returns the id as 64 hex digits, the form of a pin in an [Address].
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Addr is a member's address in its room: 16 random bytes, new at each join.
// It says nothing of the member but that it is there.
type Addr [16]byte

// newAddr draws an address.
func newAddr() (a Addr) {
	rand.Read(a[:]) // never fails
	return a
}

// String returns the address as 32 hex digits.
func (a Addr) String() string { return hex.EncodeToString(a[:]) }

// SessionID tells the sessions of two members apart. The initiator draws it; a
// session is known by the other end's address and its id.
type SessionID [8]byte

// newSessionID draws an id.
func newSessionID() (s SessionID) {
	rand.Read(s[:]) // never fails
	return s
}

// String returns the id as 16 hex digits.
func (s SessionID) String() string { return hex.EncodeToString(s[:]) }
