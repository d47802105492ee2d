package relay

import (
	"encoding/binary"
	"fmt"
	"time"
)

// flagProxied in HELLO says that TLS ends before the relay.
const flagProxied = 1 << 0

// Hello is the relay's first frame.
type Hello struct {
	Relay     ID
	Challenge [32]byte      // fresh for each connection
	MaxFrame  uint32        // the largest body the relay takes, at least MaxFrame
	Ping      time.Duration // how often it wants a PING, in whole seconds; 0 leaves it to the client
	Proxied   bool          // TLS, if any, ends at a proxy before the relay, so there is no exporter to bind to
}

// AppendHello appends the frame.
func AppendHello(dst []byte, h Hello) []byte {
	dst = begin(dst, FrameHello, helloLen)
	dst = append(dst, h.Relay[:]...)
	dst = append(dst, h.Challenge[:]...)
	dst = binary.BigEndian.AppendUint32(dst, h.MaxFrame)
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(max(h.Ping, 0)/time.Second, 1<<16-1)))
	var flags uint16
	if h.Proxied {
		flags |= flagProxied
	}
	return binary.BigEndian.AppendUint16(dst, flags)
}

// ParseHello reads the frame's body. Unknown flags are ignored.
func ParseHello(body []byte) (Hello, error) {
	if err := checkLen(FrameHello, body); err != nil {
		return Hello{}, err
	}
	return Hello{
		Relay:     ID(body[:32]),
		Challenge: [32]byte(body[32:64]),
		MaxFrame:  binary.BigEndian.Uint32(body[64:]),
		Ping:      time.Duration(binary.BigEndian.Uint16(body[68:])) * time.Second,
		Proxied:   binary.BigEndian.Uint16(body[70:])&flagProxied != 0,
	}, nil
}

// Join is a client's first frame.
type Join struct {
	Room      [32]byte
	Address   Addr
	Nonce     [32]byte
	Host      string   // the dialled authority, lower case, with port; 1 to MaxHost bytes
	Signature [64]byte // by the room key; see crypto.RoomProof
}

// AppendJoin appends the frame.
func AppendJoin(dst []byte, j Join) []byte {
	dst = begin(dst, FrameJoin, joinLen+len(j.Host))
	dst = append(dst, j.Room[:]...)
	dst = append(dst, j.Address[:]...)
	dst = append(dst, j.Nonce[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(j.Host)))
	dst = append(dst, j.Host...)
	return append(dst, j.Signature[:]...)
}

// ParseJoin reads the frame's body. It does not check the signature.
func ParseJoin(body []byte) (Join, error) {
	if err := checkLen(FrameJoin, body); err != nil {
		return Join{}, err
	}
	const head = joinLen - 64
	n := int(binary.BigEndian.Uint16(body[head-2:]))
	if n != len(body)-joinLen {
		return Join{}, fmt.Errorf("%w: JOIN with a host of %d bytes in a body of %d", ErrMalformed, n, len(body))
	}
	return Join{
		Room:      [32]byte(body[:32]),
		Address:   Addr(body[32:48]),
		Nonce:     [32]byte(body[48:80]),
		Host:      string(body[head : head+n]),
		Signature: [64]byte(body[head+n:]),
	}, nil
}

// AppendJoined appends the frame by which the relay proves itself and lets the
// client in. The signature is the relay's; see crypto.RoomProof.
func AppendJoined(dst []byte, signature [64]byte) []byte {
	return append(begin(dst, FrameJoined, joinedLen), signature[:]...)
}

// ParseJoined reads the frame's body.
func ParseJoined(body []byte) (signature [64]byte, err error) {
	if err := checkLen(FrameJoined, body); err != nil {
		return signature, err
	}
	return [64]byte(body), nil
}
