package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// The roles in HELLO.
const (
	RoleInitiator = 1
	RoleResponder = 2
)

// MaxHelloName is the most bytes of a name or a target in HELLO.
const MaxHelloName = 64

// The errors of [ParseHello].
var (
	ErrHelloForm      = errors.New("HELLO is malformed")
	ErrHelloSignature = errors.New("the signature in HELLO is wrong")
)

// Hello is the first message of each end of a session (section 3).
type Hello struct {
	Role         uint8      // RoleInitiator or RoleResponder
	Instance     InstanceID // this run of the node
	Name         string     // empty for an observer; at most 64 bytes
	Target       string     // whom the initiator wants; empty for whoever answers
	Features     uint64
	NodeKey      NodeKey // zero without HasID
	HasID        bool    // signed by NodeKey
	Capabilities []byte  // msgpack, not looked at here
}

// AppendHello appends the message's bytes, signed by id for the session with
// the given handshake hash. Without an id (nil) it is not signed. NodeKey and
// HasID of h are not looked at. It panics on a role, name or target that no HELLO can hold.
func AppendHello(dst []byte, h Hello, hash [32]byte, id *Identity) []byte {
	if h.Role != RoleInitiator && h.Role != RoleResponder || len(h.Name) > MaxHelloName || len(h.Target) > MaxHelloName {
		panic("crypto: AppendHello: role, name or target out of range")
	}
	at := len(dst)
	dst = append(dst, h.Role)
	dst = append(dst, h.Instance[:]...)
	dst = append(append(dst, byte(len(h.Name))), h.Name...)
	dst = append(append(dst, byte(len(h.Target))), h.Target...)
	dst = binary.BigEndian.AppendUint64(dst, h.Features)
	if id == nil {
		return append(append(dst, 0), h.Capabilities...)
	}
	key := id.Public()
	dst = append(append(dst, 1), key[:]...)
	signature := id.Sign(helloSigned(h.Role, hash, dst[at:], h.Capabilities))
	return append(append(dst, signature...), h.Capabilities...)
}

// ParseHello reads a message made by [AppendHello] and checks its form and, if
// it has one, its signature, which is good for the session with this handshake
// hash only. Whether role, instance and names are the right ones is for the
// caller to check. Errors are [ErrHelloForm] and [ErrHelloSignature].
func ParseHello(b []byte, hash [32]byte) (Hello, error) {
	r := helloReader{b: b}
	h := Hello{Role: r.byte()}
	copy(h.Instance[:], r.take(len(h.Instance)))
	h.Name = r.text()
	h.Target = r.text()
	if features := r.take(8); features != nil {
		h.Features = binary.BigEndian.Uint64(features)
	}
	hasID := r.byte()
	h.HasID = hasID == 1
	var signature []byte
	head := b
	if h.HasID {
		copy(h.NodeKey[:], r.take(len(h.NodeKey)))
		head = b[:len(b)-len(r.b)]
		signature = r.take(ed25519.SignatureSize)
	}
	if r.failed || hasID > 1 || h.Role != RoleInitiator && h.Role != RoleResponder {
		return Hello{}, ErrHelloForm
	}
	h.Capabilities = bytes.Clone(r.b)
	if h.HasID && !h.NodeKey.Verify(helloSigned(h.Role, hash, head, r.b), signature) {
		return Hello{}, ErrHelloSignature
	}
	return h, nil
}

// helloSigned returns what the signature covers; head and tail are the message around it.
func helloSigned(role uint8, hash [32]byte, head, tail []byte) []byte {
	digest := sha256.New()
	digest.Write(head)
	digest.Write(tail)
	b := append([]byte("fm1 hello sig\x00"), role)
	b = append(b, hash[:]...)
	return digest.Sum(b)
}

// helloReader takes pieces from the front; once a piece is missing, it has failed and gives none.
type helloReader struct {
	b      []byte
	failed bool
}

func (r *helloReader) take(n int) []byte {
	if r.failed || len(r.b) < n {
		r.failed = true
		return nil
	}
	piece := r.b[:n]
	r.b = r.b[n:]
	return piece
}

func (r *helloReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *helloReader) text() string {
	n := int(r.byte())
	if n > MaxHelloName {
		r.failed = true
	}
	return string(r.take(n))
}
