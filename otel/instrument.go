package fernotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/node"
)

// scope names this package to the providers.
const scope = "github.com/fernmesh/fernmesh/otel"

// Option changes where spans and metrics go.
type Option func(*settings)

type settings struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
}

// WithTracerProvider sets the provider of spans; the default is the global one.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(s *settings) { s.tracers = p }
}

// WithMeterProvider sets the provider of metrics; the default is the global one.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(s *settings) { s.meters = p }
}

// Instrument adds the interceptors of this package to cfg, on the inside of
// those that are there: [CallInterceptor] and [ServeInterceptor].
func Instrument(cfg *node.Config, opts ...Option) {
	cfg.CallInterceptors = append(cfg.CallInterceptors[:len(cfg.CallInterceptors):len(cfg.CallInterceptors)], CallInterceptor(opts...))
	cfg.ServeInterceptors = append(cfg.ServeInterceptors[:len(cfg.ServeInterceptors):len(cfg.ServeInterceptors)], ServeInterceptor(opts...))
}

// collect returns the tracer and the meter to use.
func collect(opts []Option) (trace.Tracer, metric.Meter) {
	s := settings{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider()}
	for _, o := range opts {
		o(&s)
	}
	return s.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), s.meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}

// system is the value of rpc.system.name.
const system rpcconv.SystemNameAttr = "fernmesh"
