package crypto

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
)

const nodeKeyPrefix = "node:"

// ErrBadNodeKey is wrapped by the errors of [ParseNodeKey].
var ErrBadNodeKey = errors.New("not a node key")

// NodeKey is a node's public identity key (Ed25519). It is no secret, and may
// be compared with == and used as a map key. The zero NodeKey means none.
type NodeKey [32]byte

// ParseNodeKey reads what [NodeKey.String] writes, and nothing else.
func ParseNodeKey(s string) (NodeKey, error) {
	text, ok := strings.CutPrefix(s, nodeKeyPrefix)
	if !ok {
		return NodeKey{}, fmt.Errorf("%w: it does not begin with %q", ErrBadNodeKey, nodeKeyPrefix)
	}
	b, err := labelEncoding.DecodeString(strings.ToUpper(text))
	if err != nil || len(b) != len(NodeKey{}) || NodeKey(b).String() != s {
		return NodeKey{}, fmt.Errorf("%w: %q is not followed by 52 lower-case base32 characters", ErrBadNodeKey, nodeKeyPrefix)
	}
	return NodeKey(b), nil
}

// String returns "node:" and 52 characters of lower-case base32.
func (k NodeKey) String() string {
	return nodeKeyPrefix + strings.ToLower(labelEncoding.EncodeToString(k[:]))
}

// IsZero reports whether there is no key.
func (k NodeKey) IsZero() bool { return k == NodeKey{} }

// MarshalText returns what [NodeKey.String] does.
func (k NodeKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [NodeKey.String] writes.
func (k *NodeKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParseNodeKey(string(text))
	return err
}

// Verify reports whether sig is this key's signature over msg.
func (k NodeKey) Verify(msg, sig []byte) bool { return ed25519.Verify(k[:], msg, sig) }
