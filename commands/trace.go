package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// TraceID names one trace: everything that was done, anywhere, for one cause.
type TraceID [16]byte

// String returns 32 hex digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// SpanID names one piece of work within a trace.
type SpanID [8]byte

// String returns 16 hex digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// Flags of a [TraceContext].
const (
	TraceSampled byte = 1 // the caller records the trace
	TraceRandom  byte = 2 // the trace id is random
)

// TraceContext is the place of a call in a trace, as W3C Trace Context defines
// it (https://www.w3.org/TR/trace-context/). It travels with calls: what a
// program puts into the context of a call by [WithTrace], the handler finds in
// its context by [TraceOf], and so does every handler that this one calls with
// that context. The zero value is no trace, and never travels.
//
// A TraceContext is a plain value: copies are independent, == compares.
type TraceContext struct {
	TraceID TraceID
	SpanID  SpanID // the work that the call is made for
	Flags   byte   // TraceSampled, TraceRandom; other bits do not travel
	// State is the tracestate: what tracing systems add, "vendor=value,…", at
	// most 512 bytes and 32 members. One of another form does not travel.
	State string
}

// maxTraceState is the longest tracestate that travels, in bytes: what the
// standard asks everybody to pass on at least.
const maxTraceState = 512

// Valid reports whether t names a trace and a span: neither id is zero.
func (t TraceContext) Valid() bool { return t.TraceID != TraceID{} && t.SpanID != SpanID{} }

// Sampled reports whether the caller records the trace.
func (t TraceContext) Sampled() bool { return t.Flags&TraceSampled != 0 }

// String returns the traceparent, 55 bytes such as
// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", and "" for a
// context that is not valid.
func (t TraceContext) String() string {
	if !t.Valid() {
		return ""
	}
	return string(t.appendParent(nil))
}

// Lengths in a traceparent: version, ids and flags in hex, with hyphens between.
const (
	parentLen = 55
	spanAt    = 36
	flagsAt   = 53
)

func (t TraceContext) appendParent(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, t.TraceID[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, t.SpanID[:])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, []byte{t.Flags & (TraceSampled | TraceRandom)})
}

// ParseTraceParent reads a traceparent. Of a version above 00 it takes what
// version 00 has too, as the standard asks. The error says what is wrong with
// the text; the value is then zero. State stays empty.
func ParseTraceParent(s string) (TraceContext, error) {
	var t TraceContext
	if len(s) < parentLen || s[2] != '-' || s[spanAt-1] != '-' || s[flagsAt-1] != '-' {
		return t, fmt.Errorf("traceparent: expected the form \"00-<32 hex>-<16 hex>-<2 hex>\", got %.60q", s)
	}
	var version, flags [1]byte
	for _, part := range []struct {
		into []byte
		text string
	}{{version[:], s[:2]}, {t.TraceID[:], s[3 : spanAt-1]}, {t.SpanID[:], s[spanAt : flagsAt-1]}, {flags[:], s[flagsAt:parentLen]}} {
		if !lowerHex(part.into, part.text) {
			return TraceContext{}, fmt.Errorf("traceparent: %q is not lower-case hex", part.text)
		}
	}
	t.Flags = flags[0] & (TraceSampled | TraceRandom)
	switch {
	case version[0] == 0xff:
		return TraceContext{}, errors.New("traceparent: version ff is not allowed")
	case version[0] == 0 && len(s) > parentLen, len(s) > parentLen && s[parentLen] != '-':
		return TraceContext{}, fmt.Errorf("traceparent: something follows the flags: %.20q", s[parentLen:])
	case !t.Valid():
		return TraceContext{}, errors.New("traceparent: an id is zero")
	}
	return t, nil
}

// lowerHex decodes text, which must have no capital digits.
func lowerHex(dst []byte, text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil
}

// goodState reports whether a tracestate may travel: members "key=value" with
// commas between them, in printable ASCII, within the limits.
func goodState(s string) bool {
	if len(s) > maxTraceState || strings.Count(s, ",") >= 32 {
		return false
	}
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue // the standard allows empty members
		}
		key, value, found := strings.Cut(member, "=")
		if !found || !stateKey(key) || !stateValue(value) {
			return false
		}
	}
	return true
}

func stateKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("_-*/@", rune(c)) {
			return false
		}
	}
	return s != ""
}

func stateValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return s != ""
}

type traceKey struct{}

// WithTrace returns a context in which calls belong to the trace. A t that is
// not valid takes the calls out of the trace that ctx carries.
func WithTrace(ctx context.Context, t TraceContext) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace to which calls made with ctx belong. In a handler
// that is its caller's, as long as nothing else was put in by [WithTrace].
func TraceOf(ctx context.Context) (TraceContext, bool) {
	t, _ := ctx.Value(traceKey{}).(TraceContext)
	return t, t.Valid()
}
