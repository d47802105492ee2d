package crypto

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
)

// InstanceID names one run of a node: 16 random bytes made at process start.
type InstanceID [16]byte

// NewInstanceID returns a random id.
func NewInstanceID() (id InstanceID) {
	rand.Read(id[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
	return id
}

// String returns 32 hex digits.
func (id InstanceID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders ids by their bytes: -1, 0 or 1.
func (id InstanceID) Compare(other InstanceID) int { return bytes.Compare(id[:], other[:]) }

// IsZero reports whether all bytes are zero, which means none.
func (id InstanceID) IsZero() bool { return id == InstanceID{} }
