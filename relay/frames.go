package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// ErrMalformed is wrapped by the errors of the Parse functions, for a body that
// does not have the form of its frame.
var ErrMalformed = errors.New("relay: malformed frame")

// Record is one record of a session on its way: the body of SEND and RECV.
type Record struct {
	Peer    Addr // whom it goes to in SEND, whom it came from in RECV
	Session SessionID
	Body    []byte // 1 to wire.MaxRecord bytes, opaque to the relay
}

// Gone tells of a session's end.
type Gone struct {
	Peer    Addr // the other end
	Session SessionID
	Code    GoneCode
}

// Echo is the content of PING and PONG.
type Echo [8]byte

// begin appends a frame's head.
func begin(dst []byte, t FrameType, bodyLen int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(t)), uint32(bodyLen))
}

// checkLen checks a body against the lengths that its frame allows, for callers
// whose bodies do not come from a FrameReader.
func checkLen(t FrameType, body []byte) error {
	if s := frameSpecs[t]; uint64(len(body)) < uint64(s.low) || uint64(len(body)) > uint64(s.high) {
		return fmt.Errorf("%w: %v of %d bytes", ErrMalformed, t, len(body))
	}
	return nil
}

// AppendUp appends the frame that tells of a new member.
func AppendUp(dst []byte, a Addr) []byte { return append(begin(dst, FrameUp, addrLen), a[:]...) }

// AppendDown appends the frame that tells of a member that left.
func AppendDown(dst []byte, a Addr) []byte { return append(begin(dst, FrameDown, addrLen), a[:]...) }

// ParseMember reads the body of UP or DOWN.
func ParseMember(body []byte) (Addr, error) {
	if err := checkLen(FrameUp, body); err != nil {
		return Addr{}, err
	}
	return Addr(body), nil
}

// AppendSend appends the frame that carries a record to the relay.
func AppendSend(dst []byte, r Record) []byte { return appendRecord(dst, FrameSend, r) }

// AppendRecv appends the frame that carries a record to a client.
func AppendRecv(dst []byte, r Record) []byte { return appendRecord(dst, FrameRecv, r) }

// Forward makes a SEND, the whole frame, the RECV that its receiver gets.
func Forward(frame []byte, from Addr) {
	frame[0] = byte(FrameRecv)
	copy(frame[HeaderLen:], from[:])
}

func appendRecord(dst []byte, t FrameType, r Record) []byte {
	dst = begin(dst, t, recordHead+len(r.Body))
	dst = append(dst, r.Peer[:]...)
	dst = append(dst, r.Session[:]...)
	return append(dst, r.Body...)
}

// ParseRecord reads the body of SEND or RECV. The record's Body is part of it.
func ParseRecord(body []byte) (Record, error) {
	if err := checkLen(FrameSend, body); err != nil {
		return Record{}, err
	}
	return Record{Peer: Addr(body[:addrLen]), Session: SessionID(body[addrLen:recordHead]), Body: body[recordHead:]}, nil
}

// AppendCast appends the frame that gives the relay this member's presence token.
func AppendCast(dst, token []byte) []byte { return append(begin(dst, FrameCast, len(token)), token...) }

// ParseCast reads the body of CAST; the token is part of it.
func ParseCast(body []byte) (token []byte, err error) {
	return body, checkLen(FrameCast, body)
}

// AppendCasted appends the frame that brings a member's presence token.
func AppendCasted(dst []byte, from Addr, token []byte) []byte {
	dst = begin(dst, FrameCasted, addrLen+len(token))
	return append(append(dst, from[:]...), token...)
}

// ParseCasted reads the body of CASTED; the token is part of it.
func ParseCasted(body []byte) (from Addr, token []byte, err error) {
	if err := checkLen(FrameCasted, body); err != nil {
		return Addr{}, nil, err
	}
	return Addr(body[:addrLen]), body[addrLen:], nil
}

// AppendGone appends the frame that tells of a session's end.
func AppendGone(dst []byte, g Gone) []byte {
	dst = begin(dst, FrameGone, goneLen)
	dst = append(dst, g.Peer[:]...)
	dst = append(dst, g.Session[:]...)
	return append(dst, byte(g.Code))
}

// ParseGone reads the body of GONE.
func ParseGone(body []byte) (Gone, error) {
	if err := checkLen(FrameGone, body); err != nil {
		return Gone{}, err
	}
	return Gone{Addr(body[:addrLen]), SessionID(body[addrLen:recordHead]), GoneCode(body[recordHead])}, nil
}

// AppendPing appends a PING.
func AppendPing(dst []byte, e Echo) []byte { return append(begin(dst, FramePing, echoLen), e[:]...) }

// AppendPong appends the answer to a PING of the same content.
func AppendPong(dst []byte, e Echo) []byte { return append(begin(dst, FramePong, echoLen), e[:]...) }

// ParseEcho reads the body of PING or PONG.
func ParseEcho(body []byte) (Echo, error) {
	if err := checkLen(FramePing, body); err != nil {
		return Echo{}, err
	}
	return Echo(body), nil
}

// AppendDrain appends the frame that asks a client to move elsewhere and to come
// back after a while.
func AppendDrain(dst []byte, after time.Duration) []byte {
	return binary.BigEndian.AppendUint32(begin(dst, FrameDrain, drainLen), milliseconds(after))
}

// ParseDrain reads the body of DRAIN.
func ParseDrain(body []byte) (after time.Duration, err error) {
	if err := checkLen(FrameDrain, body); err != nil {
		return 0, err
	}
	return fromMilliseconds(binary.BigEndian.Uint32(body)), nil
}

// AppendError appends the frame that turns a client away.
func AppendError(dst []byte, e *RefusedError) []byte {
	text := e.Text[:min(len(e.Text), MaxText)]
	dst = begin(dst, FrameError, errorHead+len(text))
	dst = binary.BigEndian.AppendUint16(dst, uint16(e.Code))
	dst = binary.BigEndian.AppendUint32(dst, milliseconds(e.RetryAfter))
	return append(dst, text...)
}

// ParseError reads the body of ERROR.
func ParseError(body []byte) (*RefusedError, error) {
	if err := checkLen(FrameError, body); err != nil {
		return nil, err
	}
	return &RefusedError{
		Code:       ErrorCode(binary.BigEndian.Uint16(body)),
		RetryAfter: fromMilliseconds(binary.BigEndian.Uint32(body[2:])),
		Text:       string(body[errorHead:]),
	}, nil
}

// milliseconds rounds a duration for the wire, within what fits.
func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d, 0), wire.MaxDuration) / time.Millisecond)
}

// fromMilliseconds reads a duration from the wire, which is clamped.
func fromMilliseconds(ms uint32) time.Duration {
	return min(time.Duration(ms)*time.Millisecond, wire.MaxDuration)
}
