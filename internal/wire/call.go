package wire

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"
)

// numberLen is the length of the call number before a call's msgpack.
const numberLen = 8

// CallID is the identity of a logical call, the same over every path and
// retry (section 5).
type CallID struct {
	Caller  [8]byte // random, per caller instance
	Counter uint64  // rises per callee
}

// String returns the id as 32 hex digits.
func (id CallID) String() string {
	return hex.EncodeToString(id.append(nil))
}

func (id CallID) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, id.Caller[:]...), id.Counter)
}

// Flags of a CALL.
const (
	CallIdempotent uint8 = 1 // may run more than once
	CallRepeat     uint8 = 2 // was sent before, here or over another path
	CallStream     uint8 = 4 // the caller reads and sends stream CHUNKs
	CallDryRun     uint8 = 8 // the command must not run: would it?
)

// Call asks for a command to run. Args, Kwargs and Trace are msgpack; when
// sent, nil means no arguments or no trace.
type Call struct {
	Number    uint64 // odd from the initiator, even from the responder, rising
	ID        CallID
	Path      string        // not checked here
	Remaining time.Duration // until the deadline; 0 is none
	Flags     uint8
	Args      []byte // an array
	Kwargs    []byte // a map
	Trace     []byte // anything; nil when the CALL had none
}

// AppendCallBody appends the msgpack of c, which a large CALL sends as CHUNKs.
func AppendCallBody(dst []byte, c Call) []byte {
	dst = AppendArray(dst, 7)
	dst = append(dst, codeBin8, 16)
	dst = c.ID.append(dst)
	dst = AppendString(dst, c.Path)
	dst = AppendUint(dst, toMilliseconds(c.Remaining))
	dst = AppendUint(dst, uint64(c.Flags))
	dst = appendRaw(dst, c.Args, codeFixArray)
	dst = appendRaw(dst, c.Kwargs, codeFixMap)
	return appendRaw(dst, c.Trace, codeNil)
}

// appendRaw appends a value that is msgpack already, or its empty form.
func appendRaw(dst, raw []byte, empty byte) []byte {
	if len(raw) == 0 {
		return append(dst, empty)
	}
	return append(dst, raw...)
}

// ParseCallBody reads the msgpack of a CALL. Number stays 0. Args and Kwargs
// are guarded slices of b, and never nil.
func ParseCallBody(b []byte) (Call, error) {
	c, path, err := ReadCallBody(b)
	c.Path = string(path)
	return c, err
}

// ReadCallBody is ParseCallBody for who only looks the path up: Path stays empty,
// and path is a slice of b. It allocates nothing.
func ReadCallBody(b []byte) (c Call, path []byte, err error) {
	a := Array{what: "CALL"}
	a.guarded(b, Data)
	id := a.Bytes("call id")
	if a.err == nil && len(id) != 16 {
		a.fail("call id is not 16 bytes")
	}
	path = a.text("path")
	c = Call{
		Remaining: a.Milliseconds("remaining time"),
		Flags:     uint8(a.Uint("flags", math.MaxUint8)),
		Args:      a.rawOr("arguments", kindArray),
		Kwargs:    a.rawOr("named arguments", kindMap),
		Trace:     a.rawAny("trace"),
	}
	if a.err != nil {
		return Call{}, nil, a.err
	}
	copy(c.ID.Caller[:], id)
	c.ID.Counter = binary.BigEndian.Uint64(id[8:])
	if c.Args == nil {
		c.Args = []byte{codeFixArray}
	}
	if c.Kwargs == nil {
		c.Kwargs = []byte{codeFixMap}
	}
	return c, path, nil
}

// PeekCallFlags reads the flags at the start of a CALL's msgpack that is not
// whole; false when they are not there, or it is none.
func PeekCallFlags(b []byte) (flags uint8, ok bool) {
	h := readHead(b)
	if h.kind != kindArray {
		return 0, false
	}
	for _, k := range [...]kind{kindBytes, kindString, kindUint, kindUint} { // id, path, time, flags
		b = b[h.size:]
		if h = readHead(b); h.kind != k {
			return 0, false
		}
	}
	return uint8(h.value), h.value <= math.MaxUint8
}

// rawAny returns the next element unless it is nil.
func (a *Array) rawAny(field string) []byte {
	raw := a.Raw(field)
	if a.err != nil || raw[0] == codeNil {
		return nil
	}
	return raw
}

// AppendCall appends the body of a CALL message.
func AppendCall(dst []byte, c Call) []byte {
	return AppendCallBody(binary.BigEndian.AppendUint64(dst, c.Number), c)
}

// ParseCall reads the body of a CALL message.
func ParseCall(body []byte) (Call, error) {
	number, rest, err := cutNumber(TypeCall, body)
	if err != nil {
		return Call{}, err
	}
	c, err := ParseCallBody(rest)
	c.Number = number
	return c, err
}

// cutNumber takes the call number off a message. Calls are numbered from 1.
func cutNumber(t Type, body []byte) (number uint64, rest []byte, err error) {
	if len(body) < numberLen {
		return 0, nil, &MalformedError{t.String(), "call number is cut short"}
	}
	number = binary.BigEndian.Uint64(body)
	if number == 0 && t != TypeCredit {
		return 0, nil, &MalformedError{t.String(), "call number is 0"}
	}
	return number, body[numberLen:], nil
}
