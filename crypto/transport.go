package crypto

import "fmt"

// Transport says over what two nodes talk. It is part of the handshake's
// prologue, so that a handshake begun over one does not end over another.
type Transport uint8

// The transports of section 2, with the path each has in the prologue.
const (
	TransportLAN     Transport = 1 // TCP; no path
	TransportRelay   Transport = 2 // relay id (32), initiator's address (16), responder's address (16)
	TransportDirect  Transport = 3 // no path
	TransportPeering Transport = 4 // peering id (16), then the path of the transport below
)

// String returns the transport's name.
func (t Transport) String() string {
	switch t {
	case TransportLAN:
		return "lan"
	case TransportRelay:
		return "relay"
	case TransportDirect:
		return "direct"
	case TransportPeering:
		return "peering"
	}
	return fmt.Sprintf("transport %d", uint8(t))
}

const (
	relayPathLen = 32 + 16 + 16
	peeringIDLen = 16
)

func (t Transport) checkPath(path []byte) error {
	ok := false
	switch t {
	case TransportLAN, TransportDirect:
		ok = len(path) == 0
	case TransportRelay:
		ok = len(path) == relayPathLen
	case TransportPeering:
		ok = len(path) == peeringIDLen || len(path) == peeringIDLen+relayPathLen
	}
	if !ok {
		return fmt.Errorf("no path of %v has %d bytes", t, len(path))
	}
	return nil
}

// prologue is what both ends put into the handshake hash before its first message.
func prologue(s *Schedule, t Transport, path []byte) []byte {
	b := append([]byte("fm1 session\x00"), byte(t))
	b = append(b, s.networkID[:]...)
	return append(b, path...)
}
