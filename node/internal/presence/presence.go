// Package presence encodes what a node says of itself to the other members of
// a relay room (the protocol, section 8).
//
// # Start here
//
// [Presence.Seal] makes the token that a node casts; [Open] reads one that came
// with a member's address. The relay carries tokens and can read none.
package presence

import (
	"errors"
	"math"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

const (
	version  = 1
	elements = 9 // one more with a status
	// maxRelays is how many known relays one presence names.
	maxRelays = 8
)

// MaxToken is the length of the longest presence token, in bytes.
const MaxToken = 1400

// Address is a member's address in its room: random bytes, drawn at each join.
type Address [16]byte

// Presence is what a node says of itself.
type Presence struct {
	Instance crypto.InstanceID
	Counter  uint64
	Time     time.Time // for people; presence has no age
	Name     string
	Address  Address
	Key      crypto.NodeKey
	HasKey   bool
	Features uint64
	Relays   []string    // relays that the node knows, as addresses with pins
	Status   wire.Status // left out while its revision is 0
}

// ErrTooLong: the token would be longer than a relay takes.
var ErrTooLong = errors.New("presence: token too long")

// Seal returns the token under the room's presence key. Relays that do not fit
// are left out.
func (p Presence) Seal(key [32]byte, now time.Time) ([]byte, error) {
	relays := p.Relays[:min(len(p.Relays), maxRelays)]
	for {
		token := crypto.SealToken(key, p.append(relays), now)
		if len(token) <= MaxToken {
			return token, nil
		}
		if len(relays) == 0 {
			return nil, ErrTooLong
		}
		relays = relays[:len(relays)-1]
	}
}

func (p Presence) append(relays []string) []byte {
	n := elements
	if p.Status.Revision != 0 {
		n++
	}
	b := wire.AppendArray(nil, n)
	b = wire.AppendUint(b, version)
	b = wire.AppendBytes(b, p.Instance[:])
	b = wire.AppendUint(b, p.Counter)
	b = wire.AppendUint(b, uint64(max(p.Time.UnixMilli(), 0)))
	b = wire.AppendString(b, p.Name)
	b = wire.AppendBytes(b, p.Address[:])
	if p.HasKey {
		b = wire.AppendBytes(b, p.Key[:])
	} else {
		b = wire.AppendNil(b)
	}
	b = wire.AppendUint(b, p.Features)
	b = wire.AppendArray(b, len(relays))
	for _, r := range relays {
		b = wire.AppendString(b, r)
	}
	if p.Status.Revision == 0 {
		return b
	}
	return wire.AppendStatus(b, p.Status)
}

// Why a presence is refused.
var (
	ErrVersion = errors.New("presence: another version")
	ErrForm    = errors.New("presence: impossible value")
)

// Open reads a token that came from the member at an address. The address
// inside must be the same, so that a relay cannot give one member the presence
// of another.
func Open(key [32]byte, token []byte, from Address) (Presence, error) {
	if len(token) > MaxToken {
		return Presence{}, ErrTooLong
	}
	plain, _, _, err := crypto.OpenToken([][32]byte{key}, token)
	if err != nil {
		return Presence{}, err
	}
	p, err := parse(plain)
	if err != nil {
		return Presence{}, err
	}
	if p.Address != from {
		return Presence{}, ErrForm
	}
	return p, wire.CheckName("name", p.Name)
}

func parse(plain []byte) (Presence, error) {
	r := wire.OpenArray("presence", plain, wire.Control)
	if v := r.Uint("version", math.MaxUint64); r.Err() == nil && v != version {
		return Presence{}, ErrVersion
	}
	p := Presence{}
	instance := r.Bytes("instance")
	p.Counter = r.Uint("counter", math.MaxUint64)
	p.Time = time.UnixMilli(int64(r.Uint("time", math.MaxInt64/uint64(time.Millisecond))))
	p.Name = r.String("name")
	address := r.Bytes("address")
	key := r.BytesOrNil("node key")
	p.Features = r.Uint("features", math.MaxUint64)
	relays := r.Array("known relays", maxRelays)
	for relays.Len() > 0 {
		p.Relays = append(p.Relays, relays.String("relay"))
	}
	var bad error
	if r.Len() > 0 {
		p.Status, bad = wire.ParseStatus(r.Raw("status"))
	}
	switch {
	case r.Err() != nil:
		return Presence{}, r.Err()
	case bad != nil:
		return Presence{}, bad
	case relays.Err() != nil:
		return Presence{}, relays.Err()
	case len(instance) != len(p.Instance), len(address) != len(p.Address), key != nil && len(key) != len(p.Key):
		return Presence{}, ErrForm
	}
	copy(p.Instance[:], instance)
	copy(p.Address[:], address)
	copy(p.Key[:], key)
	p.HasKey = key != nil
	return p, nil
}
