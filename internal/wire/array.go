package wire

import (
	"fmt"
	"math"
	"time"
)

// MalformedError tells what part of a message or advert could not be read.
type MalformedError struct {
	What  string // the message: "CALL", "HELLO", "advert"
	Field string // the part of it
}

// Error implements error. The text holds no part of the message.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("wire: malformed %s: %s", e.What, e.Field)
}

// Array reads the elements of a msgpack array in order. The first failure
// sticks: later reads return zero values, and Err tells the failure, so that
// one check after the last read is enough. Elements left over are ignored, as
// the protocol wants (section 4). Not safe for concurrent use.
type Array struct {
	what string
	rest []byte
	left int
	err  error
}

// OpenArray passes b through Guard and opens it as an array. what names the
// message in errors.
func OpenArray(what string, b []byte, lim GuardLimits) *Array {
	a := &Array{what: what}
	a.guarded(b, lim)
	return a
}

// guarded opens b once it has passed Guard. An Array that does not leave its
// function costs no memory this way.
func (a *Array) guarded(b []byte, lim GuardLimits) {
	if a.err = Guard(b, lim); a.err == nil {
		a.open(b)
	}
}

// open enters the array at the start of b, which passed Guard.
func (a *Array) open(b []byte) {
	h := readHead(b)
	if h.kind != kindArray {
		a.fail("not an array")
		return
	}
	a.left, a.rest = int(h.value), b[h.size:]
}

// Len returns how many elements were not read yet.
func (a *Array) Len() int { return a.left }

// Err returns the first failure: a *GuardError or a *MalformedError.
func (a *Array) Err() error { return a.err }

func (a *Array) fail(field string) {
	if a.err == nil {
		a.err = &MalformedError{a.what, field}
	}
	a.left = 0
}

// Raw returns the encoding of the next element.
func (a *Array) Raw(field string) []byte {
	if a.left == 0 {
		a.fail(field + " is missing")
		return nil
	}
	n := skip(a.rest)
	raw := a.rest[:n:n]
	a.rest, a.left = a.rest[n:], a.left-1
	return raw
}

// scalar returns the head and the contents of the next element, which must be
// of one kind.
func (a *Array) scalar(field string, want kind) (head, []byte) {
	raw := a.Raw(field)
	if a.err != nil {
		return head{}, nil
	}
	h := readHead(raw)
	if h.kind != want {
		a.fail(field + " is of another type")
		return head{}, nil
	}
	return h, raw[h.start:]
}

// Uint returns the next element, an integer of 0 to limit.
func (a *Array) Uint(field string, limit uint64) uint64 {
	h, _ := a.scalar(field, kindUint)
	if h.value > limit {
		a.fail(field + " is too large")
		return 0
	}
	return h.value
}

// Milliseconds returns the next element as a duration of 0 to MaxDuration;
// more is MaxDuration.
func (a *Array) Milliseconds(field string) time.Duration {
	return milliseconds(a.Uint(field, math.MaxUint64))
}

// String returns the next element, a string, copied.
func (a *Array) String(field string) string {
	_, text := a.scalar(field, kindString)
	return string(text)
}

// text is String as a slice of the input.
func (a *Array) text(field string) []byte {
	_, text := a.scalar(field, kindString)
	return text
}

// Bytes returns the next element, a byte string, as a slice of the input.
func (a *Array) Bytes(field string) []byte {
	_, b := a.scalar(field, kindBytes)
	return b
}

// BytesOrNil is Bytes for an element that may be nil.
func (a *Array) BytesOrNil(field string) []byte {
	if a.left > 0 && a.rest[0] == codeNil {
		a.Raw(field)
		return nil
	}
	return a.Bytes(field)
}

// Array opens the next element, an array of at most limit elements. The outer
// array then goes on after it.
func (a *Array) Array(field string, limit int) *Array {
	raw := a.Raw(field)
	inner := &Array{what: a.what, err: a.err}
	if a.err == nil {
		inner.open(raw)
	}
	if inner.err == nil && inner.left > limit {
		inner.fail(field + " is too long")
	}
	if a.err == nil {
		a.err = inner.err
	}
	return inner
}

// rawOr returns the next element if its kind is k, and nil if it is nil.
func (a *Array) rawOr(field string, k kind) []byte {
	raw := a.Raw(field)
	if a.err != nil || raw[0] == codeNil {
		return nil
	}
	if readHead(raw).kind != k {
		a.fail(field + " is of another type")
		return nil
	}
	return raw
}

// skip returns the length of the value at the start of b, which passed Guard.
func skip(b []byte) int {
	at := 0
	for left := 1; left > 0; left-- {
		h := readHead(b[at:])
		at += h.size
		switch h.kind {
		case kindArray:
			left += int(h.value)
		case kindMap:
			left += 2 * int(h.value)
		}
	}
	return at
}

// milliseconds turns a number from the wire into a duration.
func milliseconds(ms uint64) time.Duration {
	if ms > uint64(MaxDuration/time.Millisecond) {
		return MaxDuration
	}
	return time.Duration(ms) * time.Millisecond
}

// toMilliseconds rounds up, so that a short duration does not become 0, which
// means none.
func toMilliseconds(d time.Duration) uint64 {
	d = min(max(d, 0), MaxDuration)
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}
