package node

import (
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// PathInfo describes one way to a peer.
type PathInfo struct {
	// Kind is "lan", "relay", or "self" for a node that called itself.
	Kind string
	// Addr is the peer's address on that path, "192.168.1.5:4000", or the
	// relay's, "relay relay.example.org:3376".
	Addr string
	// RTT is the last measured round-trip time; 0 means not measured yet.
	RTT time.Duration
	// Dialed tells whether this side made the link.
	Dialed bool
	// Since is when the link was made.
	Since time.Time
	// Cipher is what seals its frames: CipherFernet, or CipherBulk if both ends
	// have Config.BulkCipher; empty for "self" and where there is no link.
	Cipher string
}

// Ciphers of a link, as PathInfo tells them.
const (
	// CipherFernet seals all frames as Fernet tokens.
	CipherFernet = "fernet"
	// CipherBulk seals frames that hold only parts of large messages and of
	// streams with AES-256-GCM, all others as Fernet tokens.
	CipherBulk = "fernet+aes256gcm"
)

// Reply is the value that one node answered. It is safe for concurrent reads.
type Reply struct {
	// Node is the name of the node that answered.
	Node string
	// Path is the way the answer took.
	Path PathInfo
	// Took is the time from the start of the call to its answer.
	Took time.Duration

	raw []byte
}

// Value returns the answer as plain Go values: nil, bool, int64 or uint64,
// float64, string, []byte, time.Time, []any and map[string]any.
func (r *Reply) Value() (any, error) {
	var v any
	if err := r.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// Decode stores the answer in the value that v points to. A value that does
// not fit (300 into an int8) is an error, never a silent loss.
func (r *Reply) Decode(v any) error { return commands.DecodeValue(r.raw, v) }

// Raw returns the answer's msgpack bytes; the caller must not change them.
func (r *Reply) Raw() []byte { return r.raw }
