package commands

import (
	"strings"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// maxDetails bounds the encoded details of an error.
const maxDetails = 64 << 10

// Fail returns the form in which e travels as the answer to the call number.
// Hint and Cause stay here. Details that cannot be encoded, or take more than
// 64 KiB, are left out: an error must always arrive.
func (e *Error) Fail(number uint64) wire.Fail {
	f := wire.Fail{
		Number: number, Code: uint32(e.Code), Message: e.Message,
		Executed: uint8(e.Executed), Where: uint8(e.Where), RetryAfter: e.RetryAfter,
	}
	if !e.Code.valid() {
		f.Code = uint32(Unknown)
	}
	f.Message = cleanText(f.Message)
	if len(e.Details) > 0 {
		if raw, err := codec.Encode(e.Details); err == nil && len(raw) <= maxDetails {
			f.Details = raw
		}
	}
	return f
}

// FromWire returns the error that a callee sent. Numbers that this version
// does not know become UNKNOWN and "maybe"; details that cannot be decoded are
// left out.
func FromWire(f wire.Fail) *Error {
	e := &Error{
		Code: Code(f.Code), Message: cleanText(f.Message),
		Executed: Executed(f.Executed), Where: Where(f.Where), RetryAfter: f.RetryAfter,
	}
	if !e.Code.valid() {
		e.Code = Unknown
	}
	if e.Executed > ExecutedYes {
		e.Executed = ExecutedMaybe
	}
	if e.Where == 0 {
		e.Where = WherePath // the callee did not say; it is the outcome of a call all the same
	}
	if len(f.Details) > 0 {
		var details map[string]any
		if codec.Decode(f.Details, &details) == nil {
			e.Details = details
		}
	}
	return e
}

// maxMessage bounds the text of an error that travels, in bytes.
const maxMessage = 4096

// cleanText makes s valid UTF-8 of bounded length.
func cleanText(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
