package link

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Defaults of Config.
const (
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultWriteTimeout     = 5 * time.Second
	DefaultSoftBound        = 128 << 10
	DefaultHardBound        = 16 << 20
)

// DefaultRekey is the protocol's: 2^20 frames, 1 GiB or 10 minutes.
var DefaultRekey = Rekey{Frames: 1 << 20, Bytes: 1 << 30, Every: 10 * time.Minute}

// Rekey says when a direction goes on to its next key: whichever is reached
// first. A zero field is that of DefaultRekey.
type Rekey struct {
	Frames uint64
	Bytes  uint64 // of plaintext
	Every  time.Duration
}

// Config is what a node's links have in common. The zero values of the fields
// below Identity are their defaults. It is not changed by Dial and Accept, and
// may be shared.
type Config struct {
	// Keys are the schedules of the usable ring keys, the active one first.
	// Dial uses the active one, Accept all.
	Keys []*crypto.Schedule
	// Retired are schedules that open nothing: Accept tells who comes with one
	// of them that the key was retired, and welcomes nobody.
	Retired []*crypto.Schedule
	// Name is the node's name; empty for an observer, which claims none.
	Name string
	// Instance is the id of this process start.
	Instance crypto.InstanceID
	// Identity signs HELLO; nil sends none.
	Identity *crypto.Identity
	// Features are the features offered, but for that of BulkCipher.
	Features uint64
	// BulkCipher offers to seal frames that hold only CHUNKs with AES-256-GCM,
	// and to take such frames. It comes about if both ends offer it.
	BulkCipher bool
	// Capabilities returns the encoded capabilities, at the time of a HELLO;
	// see Capabilities.Encode. Nil sends an empty map.
	Capabilities func() []byte
	// Judge is the policy after a valid HELLO. It returns nil to welcome the
	// peer. It runs on the goroutine of Dial or Accept. Nil welcomes all.
	Judge func(Peer) *Refusal
	// Replay refuses repeated handshakes; Accept needs one, shared by all
	// links of a node.
	Replay *crypto.ReplaySet

	Rekey            Rekey
	HandshakeTimeout time.Duration // from Dial or Accept to a good HELLO, absolute
	WriteTimeout     time.Duration // of one record
	SoftBound        int           // bytes in the outbox above which Room waits
	HardBound        int           // bytes in the outbox that end the link
	Counters         *Counters     // nil counts nowhere
	Logger           *slog.Logger  // nil logs nowhere
}

// withDefaults returns the configuration with nothing left to default.
func (c Config) withDefaults() Config {
	c.Rekey.Frames = cmp.Or(c.Rekey.Frames, DefaultRekey.Frames)
	c.Rekey.Bytes = cmp.Or(c.Rekey.Bytes, DefaultRekey.Bytes)
	c.Rekey.Every = cmp.Or(c.Rekey.Every, DefaultRekey.Every)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, DefaultHandshakeTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.SoftBound = cmp.Or(c.SoftBound, DefaultSoftBound)
	c.HardBound = cmp.Or(c.HardBound, DefaultHardBound)
	c.Features &^= crypto.FeatureBulk
	if c.BulkCipher {
		c.Features |= crypto.FeatureBulk
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Refusal is why a peer was turned away. It is sent as a BYE.
type Refusal struct {
	Code  wire.ByeCode
	After time.Duration // when to come back; 0 is no advice
	Text  string        // for people, and sent to the peer
	Hint  string        // what the owner of this side can do; not sent
}

// RefusedError is returned by Dial and Accept for a peer that was turned away
// after a valid HELLO.
type RefusedError struct {
	Refusal Refusal
	Peer    Peer
}

// Error implements error.
func (e *RefusedError) Error() string {
	text := "link: refused " + quoteName(e.Peer.Hello.Name) + ": " + e.Refusal.Code.String()
	if e.Refusal.Text != "" {
		text += ": " + e.Refusal.Text
	}
	return text
}
