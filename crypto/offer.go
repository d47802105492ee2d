package crypto

import (
	"encoding/binary"
	"errors"
)

const (
	// ProtocolVersion is the version of the protocol spoken here.
	ProtocolVersion = 1
	// MinMaxPlain is the least size of a frame's plaintext that every node takes.
	MinMaxPlain = 16640
	payloadLen  = 64
)

// Offer is what a node can do, as it says so in the handshake (section 2). It
// travels encrypted and under the handshake hash: nobody on the path can lower it.
type Offer struct {
	VersionMin uint8  // lowest version spoken, at least 1
	VersionMax uint8  // highest version spoken
	MaxPlain   uint32 // largest plaintext of a frame taken, in bytes; MinMaxPlain to MaxPlaintext
	Features   uint64 // one bit per feature
}

// Agreement is what two offers have in common.
type Agreement struct {
	Version  uint8  // the highest common one
	MaxPlain uint32 // the smaller of both
	Features uint64 // those in both
}

var (
	errPayloadForm   = errors.New("the payload contradicts itself")
	errNoVersion     = errors.New("no common version")
	errForeignChoice = errors.New("the responder chose a version that was not offered")
)

func (o Offer) check() error {
	switch {
	case o.VersionMin < 1 || o.VersionMin > o.VersionMax:
		return errors.New("crypto: offer with an empty range of versions")
	case o.MaxPlain < MinMaxPlain || o.MaxPlain > MaxPlaintext:
		return errors.New("crypto: offer with MaxPlain outside 16,640 to 65,536")
	}
	return nil
}

func (o Offer) payload1() []byte {
	b := make([]byte, payloadLen)
	b[0], b[1] = o.VersionMin, o.VersionMax
	return o.putLimits(b)
}

func (o Offer) payload2(version uint8) []byte {
	b := make([]byte, payloadLen)
	b[0] = version
	return o.putLimits(b)
}

func (o Offer) putLimits(b []byte) []byte {
	binary.BigEndian.PutUint32(b[4:], o.MaxPlain)
	binary.BigEndian.PutUint64(b[8:], o.Features)
	return b
}

// accept is the responder's judgement of payload 1. Reserved bytes are not looked at.
func (o Offer) accept(payload []byte) (Agreement, error) {
	low, high := payload[0], payload[1]
	if low < 1 || low > high {
		return Agreement{}, errPayloadForm
	}
	version := min(high, o.VersionMax)
	if version < max(low, o.VersionMin) {
		return Agreement{}, errNoVersion
	}
	return o.agree(version, payload)
}

// confirm is the initiator's judgement of payload 2.
func (o Offer) confirm(payload []byte) (Agreement, error) {
	version := payload[0]
	if version < o.VersionMin || version > o.VersionMax {
		return Agreement{}, errForeignChoice
	}
	return o.agree(version, payload)
}

func (o Offer) agree(version uint8, payload []byte) (Agreement, error) {
	maxPlain := binary.BigEndian.Uint32(payload[4:])
	if maxPlain < MinMaxPlain {
		return Agreement{}, errPayloadForm
	}
	return Agreement{
		Version:  version,
		MaxPlain: min(o.MaxPlain, maxPlain),
		Features: o.Features & binary.BigEndian.Uint64(payload[8:]),
	}, nil
}
