package fernotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// ServeInterceptor makes a server span of every command that the node runs,
// below the trace of its caller, and puts it into the handler's context.
func ServeInterceptor(opts ...Option) node.ServeInterceptor {
	tracer, meter := collect(opts)
	took, err := rpcconv.NewServerCallDuration(meter)
	if err != nil {
		otel.Handle(err)
	}
	return func(ctx context.Context, c *commands.Call, cmd *commands.Command, next func(context.Context) ([]byte, error)) (value []byte, err error) {
		start, returned := time.Now(), false
		method := semconv.RPCMethod(cmd.Path().String())
		ctx, span := tracer.Start(withRemote(ctx), cmd.Path().String(), trace.WithSpanKind(trace.SpanKindServer),
			trace.WithTimestamp(start), trace.WithAttributes(serverAttributes(ctx, c, method)...))
		defer func() {
			if !returned {
				err = errNoReturn
			}
			took.Record(ctx, time.Since(start).Seconds(), system, append(outcome(span, err, isServerError), method)...)
			span.End()
		}()
		value, err = next(ctx)
		returned = true
		return value, err
	}
}

// serverAttributes are those of a server span that are known at its start.
func serverAttributes(ctx context.Context, c *commands.Call, method attribute.KeyValue) []attribute.KeyValue {
	attrs := []attribute.KeyValue{systemName, method, pathKey.String(c.Caller.Path)}
	if n, ok := node.FromContext(ctx); ok {
		attrs = append(attrs, semconv.ServerAddress(n.Name()))
	}
	if c.Caller.Name != "" {
		attrs = append(attrs, semconv.ClientAddress(c.Caller.Name))
	}
	if c.Pipe != nil {
		attrs = append(attrs, streamKey.Bool(true))
	}
	return attrs
}
