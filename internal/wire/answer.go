package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Reply is a call's result; Value is msgpack. It ends the call. The msgpack of
// a large REPLY is the value itself.
type Reply struct {
	Number uint64
	Value  []byte
}

// AppendReply appends the body of a REPLY message. No value is nil.
func AppendReply(dst []byte, r Reply) []byte {
	return appendRaw(binary.BigEndian.AppendUint64(dst, r.Number), r.Value, codeNil)
}

// ParseReply reads the body of a REPLY message.
func ParseReply(body []byte) (Reply, error) {
	number, rest, err := cutNumber(TypeReply, body)
	if err != nil {
		return Reply{}, err
	}
	value, err := ParseReplyBody(rest)
	return Reply{number, value}, err
}

// ParseReplyBody guards the value of a REPLY that came as CHUNKs.
func ParseReplyBody(b []byte) ([]byte, error) {
	if err := Guard(b, Data); err != nil {
		return nil, err
	}
	return b, nil
}

// Executed values of a FAIL: whether the command ran.
const (
	ExecutedNo    uint8 = 0
	ExecutedMaybe uint8 = 1
	ExecutedYes   uint8 = 2
)

// Where values of a FAIL: what failed the call.
const (
	WhereCaller  uint8 = 1
	WherePath    uint8 = 2
	WhereRelay   uint8 = 3
	WhereQueue   uint8 = 4
	WhereHandler uint8 = 5
)

// Fail is a call's failure. It ends the call.
type Fail struct {
	Number     uint64
	Code       uint32 // the gRPC code's number
	Message    string
	Executed   uint8         // an unknown value is read as ExecutedMaybe
	Where      uint8         // may be a value this version does not know
	RetryAfter time.Duration // 0 is no advice
	Details    []byte        // a msgpack map, or nil
}

// AppendFailBody appends the msgpack of f, which a large FAIL sends as CHUNKs.
func AppendFailBody(dst []byte, f Fail) []byte {
	dst = AppendArray(dst, 6)
	dst = AppendUint(dst, uint64(f.Code))
	dst = AppendString(dst, f.Message)
	dst = AppendUint(dst, uint64(f.Executed))
	dst = AppendUint(dst, uint64(f.Where))
	dst = AppendUint(dst, toMilliseconds(f.RetryAfter))
	return appendRaw(dst, f.Details, codeNil)
}

// ParseFailBody reads the msgpack of a FAIL. Number stays 0.
func ParseFailBody(b []byte) (Fail, error) {
	a := OpenArray("FAIL", b, Data)
	f := Fail{
		Code:       uint32(a.Uint("code", math.MaxUint32)),
		Message:    a.String("message"),
		Executed:   uint8(a.Uint("executed", math.MaxUint8)),
		Where:      uint8(a.Uint("where", math.MaxUint8)),
		RetryAfter: a.Milliseconds("retry-after"),
		Details:    a.rawOr("details", kindMap),
	}
	if a.err != nil {
		return Fail{}, a.err
	}
	if f.Executed > ExecutedYes {
		f.Executed = ExecutedMaybe
	}
	return f, nil
}

// AppendFail appends the body of a FAIL message.
func AppendFail(dst []byte, f Fail) []byte {
	return AppendFailBody(binary.BigEndian.AppendUint64(dst, f.Number), f)
}

// ParseFail reads the body of a FAIL message.
func ParseFail(body []byte) (Fail, error) {
	number, rest, err := cutNumber(TypeFail, body)
	if err != nil {
		return Fail{}, err
	}
	f, err := ParseFailBody(rest)
	f.Number = number
	return f, err
}

// Modes of a CANCEL.
const (
	CancelAnswer uint8 = 0 // the callee answers CANCELLED
	CancelSilent uint8 = 1 // the callee answers nothing
)

// Cancel withdraws the link's interest in a call.
type Cancel struct {
	Number uint64
	Mode   uint8
}

// AppendCancel appends the body of a CANCEL message.
func AppendCancel(dst []byte, c Cancel) []byte {
	return append(binary.BigEndian.AppendUint64(dst, c.Number), c.Mode)
}

// ParseCancel reads the body of a CANCEL message.
func ParseCancel(body []byte) (Cancel, error) {
	number, rest, err := cutNumber(TypeCancel, body)
	if err != nil {
		return Cancel{}, err
	}
	if len(rest) != 1 || rest[0] > CancelSilent {
		return Cancel{}, &MalformedError{"CANCEL", fmt.Sprintf("mode of %d bytes", len(rest))}
	}
	return Cancel{number, rest[0]}, nil
}
