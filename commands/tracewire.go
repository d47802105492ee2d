package commands

import (
	"reflect"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// The keys of the trace element of a CALL (protocol, section 5).
const (
	traceParentKey = "traceparent"
	traceStateKey  = "tracestate"
)

// maxTraceRaw bounds the trace element of a CALL, in bytes; a longer one is
// not read. It has room for both texts and for keys of later versions.
const maxTraceRaw = 1 << 10

// Encode returns the form in which t travels as [Call.Trace], and nil if it is
// not valid. A State that does not fit the standard is left out.
func (t TraceContext) Encode() []byte {
	if !t.Valid() {
		return nil
	}
	withState := t.State != "" && goodState(t.State)
	entries := 1
	if withState {
		entries = 2
	}
	raw := wire.AppendMap(make([]byte, 0, 2*parentLen+len(t.State)), entries)
	raw = wire.AppendString(raw, traceParentKey)
	raw = wire.AppendString(raw, string(t.appendParent(make([]byte, 0, parentLen))))
	if withState {
		raw = wire.AppendString(raw, traceStateKey)
		raw = wire.AppendString(raw, t.State)
	}
	return raw
}

// DecodeTrace reads what [TraceContext.Encode] made, from any source. False
// means that there is no trace in it: what is malformed, or larger than 1 KiB,
// is no error, since a call must not fail over its trace. A malformed
// tracestate is left out of a trace that is good otherwise.
func DecodeTrace(raw []byte) (TraceContext, bool) {
	if len(raw) == 0 || len(raw) > maxTraceRaw {
		return TraceContext{}, false
	}
	var parent, state string
	if found, err := codec.Entry(raw, traceParentKey, reflect.ValueOf(&parent).Elem()); !found || err != nil {
		return TraceContext{}, false
	}
	t, err := ParseTraceParent(parent)
	if err != nil {
		return TraceContext{}, false
	}
	if found, err := codec.Entry(raw, traceStateKey, reflect.ValueOf(&state).Elem()); found && err == nil && goodState(state) {
		t.State = state
	}
	return t, true
}
