package fernotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// CallInterceptor makes a client span of every call, below the span in the
// call's context or, without one, below the trace of [commands.TraceOf].
func CallInterceptor(opts ...Option) node.CallInterceptor {
	tracer, meter := collect(opts)
	took, err := rpcconv.NewClientCallDuration(meter)
	if err != nil {
		otel.Handle(err)
	}
	return func(ctx context.Context, info node.CallInfo, next func(context.Context) (*node.Reply, error)) (reply *node.Reply, err error) {
		start, returned := time.Now(), false
		if !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = withRemote(ctx)
		}
		ctx, span := tracer.Start(ctx, info.Path, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(start),
			trace.WithAttributes(systemName, semconv.RPCMethod(info.Path), semconv.ServerAddress(info.Target)))
		defer func() {
			if !returned {
				err = errNoReturn
			}
			more := outcome(span, err, isError)
			took.Record(ctx, time.Since(start).Seconds(), system, append(more, semconv.RPCMethod(info.Path), semconv.ServerAddress(info.Target))...)
			span.End()
		}()
		if info.Stream {
			span.SetAttributes(streamKey.Bool(true))
		}
		if own := fromSpan(span.SpanContext()); own.Valid() {
			ctx = commands.WithTrace(ctx, own)
		}
		reply, err = next(ctx)
		returned = true
		if err == nil && reply != nil {
			span.SetAttributes(pathKey.String(reply.Path.Kind))
		}
		return reply, err
	}
}
