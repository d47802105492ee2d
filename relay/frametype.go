package relay

import (
	"fmt"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// FrameType is the first byte of a frame. After it come the length of the body,
// u32, and the body.
type FrameType uint8

// The frames of section 8. C is a client, R the relay.
const (
	FrameHello  FrameType = 0x01 // R→C  relay id 32 | challenge 32 | max frame u32 | ping s u16 | flags u16
	FrameJoin   FrameType = 0x02 // C→R  room id 32 | address 16 | nonce 32 | host (length u16, bytes) | signature 64
	FrameJoined FrameType = 0x03 // R→C  signature 64
	FrameUp     FrameType = 0x04 // R→C  address 16
	FrameDown   FrameType = 0x05 // R→C  address 16
	FrameSend   FrameType = 0x06 // C→R  to address 16 | session id 8 | record body
	FrameRecv   FrameType = 0x07 // R→C  from address 16 | session id 8 | record body
	FrameCast   FrameType = 0x08 // C→R  presence token
	FrameCasted FrameType = 0x09 // R→C  from address 16 | presence token
	FrameGone   FrameType = 0x0a // both address 16 | session id 8 | code 1
	FramePing   FrameType = 0x0b // both 8 bytes
	FramePong   FrameType = 0x0c // both the 8 bytes of the PING
	FrameDrain  FrameType = 0x0d // R→C  come back after ms u32
	FrameError  FrameType = 0x0e // R→C  code u16 | retry after ms u32 | text
	frameTypes  FrameType = 0x0f
)

// Sizes in bytes.
const (
	// HeaderLen is the length of a frame's type and length.
	HeaderLen = 5
	// MaxFrame is the largest body of a frame: that of a SEND or RECV with a
	// record of the largest size. It is what HELLO's max frame has to be at least.
	MaxFrame = recordHead + wire.MaxRecord
	// MaxToken is the largest presence token.
	MaxToken = 1400
	// MaxHost is the longest authority in a JOIN. A DNS name, a port and an
	// IPv6 address with its zone are all shorter.
	MaxHost = 320
	// MaxText is the longest text of an ERROR; a longer one is cut when sent.
	MaxText = 512
)

const (
	helloLen   = 32 + 32 + 4 + 2 + 2
	joinLen    = 32 + 16 + 32 + 2 + 64 // without the host
	joinedLen  = 64
	addrLen    = 16
	recordHead = addrLen + 8
	goneLen    = recordHead + 1
	echoLen    = 8
	drainLen   = 4
	errorHead  = 2 + 4
)

// frameSpec is what is known of a frame before its body is read.
type frameSpec struct {
	name      string
	low, high uint32 // shortest and longest body
}

var frameSpecs = [frameTypes]frameSpec{
	FrameHello:  {"HELLO", helloLen, helloLen},
	FrameJoin:   {"JOIN", joinLen + 1, joinLen + MaxHost},
	FrameJoined: {"JOINED", joinedLen, joinedLen},
	FrameUp:     {"UP", addrLen, addrLen},
	FrameDown:   {"DOWN", addrLen, addrLen},
	FrameSend:   {"SEND", recordHead + 1, MaxFrame},
	FrameRecv:   {"RECV", recordHead + 1, MaxFrame},
	FrameCast:   {"CAST", 1, MaxToken},
	FrameCasted: {"CASTED", addrLen + 1, addrLen + MaxToken},
	FrameGone:   {"GONE", goneLen, goneLen},
	FramePing:   {"PING", echoLen, echoLen},
	FramePong:   {"PONG", echoLen, echoLen},
	FrameDrain:  {"DRAIN", drainLen, drainLen},
	FrameError:  {"ERROR", errorHead, errorHead + MaxText},
}

// String returns the frame's name, as the protocol writes it.
func (t FrameType) String() string {
	if t > 0 && t < frameTypes {
		return frameSpecs[t].name
	}
	return fmt.Sprintf("frame %#02x", uint8(t))
}

// FrameSet is a set of frame types: those a [FrameReader] may meet at a point
// of the protocol.
type FrameSet uint16

// The sets of the two sides and their states.
const (
	// AwaitHello is what a client may get first. A relay that is full or
	// draining says so in place of HELLO.
	AwaitHello = FrameSet(1<<FrameHello | 1<<FrameError)
	// AwaitJoin is what a relay may get first.
	AwaitJoin = FrameSet(1 << FrameJoin)
	// AwaitJoined is what a client may get after its JOIN.
	AwaitJoined = FrameSet(1<<FrameJoined | 1<<FrameError)
	// ToClient is what a client may get once it has joined.
	ToClient = FrameSet(1<<FrameUp | 1<<FrameDown | 1<<FrameRecv | 1<<FrameCasted | 1<<FrameGone |
		1<<FramePing | 1<<FramePong | 1<<FrameDrain | 1<<FrameError)
	// ToRelay is what a relay may get from a client that has joined.
	ToRelay = FrameSet(1<<FrameSend | 1<<FrameCast | 1<<FrameGone | 1<<FramePing | 1<<FramePong)
)

// Has reports whether t is in the set.
func (s FrameSet) Has(t FrameType) bool { return t < frameTypes && s&(1<<t) != 0 }
