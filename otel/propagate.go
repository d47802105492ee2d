package fernotel

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/commands"
)

// withRemote makes the trace that ctx carries from another node, if any, the
// parent of the next span.
func withRemote(ctx context.Context) context.Context {
	t, ok := commands.TraceOf(ctx)
	if !ok {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, toSpan(t))
}

func toSpan(t commands.TraceContext) trace.SpanContext {
	state, err := trace.ParseTraceState(t.State)
	if err != nil {
		state = trace.TraceState{} // a trace goes on without it, as the standard asks
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(t.TraceID), SpanID: trace.SpanID(t.SpanID),
		TraceFlags: trace.TraceFlags(t.Flags), TraceState: state, Remote: true,
	})
}

func fromSpan(s trace.SpanContext) commands.TraceContext {
	return commands.TraceContext{
		TraceID: commands.TraceID(s.TraceID()), SpanID: commands.SpanID(s.SpanID()),
		Flags: byte(s.TraceFlags()), State: s.TraceState().String(),
	}
}
