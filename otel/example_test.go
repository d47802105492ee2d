package fernotel_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
	fernotel "github.com/fernmesh/fernmesh/otel"
)

// A node that calls itself makes both spans of the call. Between two nodes it is
// the same, each with its own provider.
func ExampleInstrument() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // a program has an OTLP exporter here
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer tracers.Shutdown(ctx)

	cfg := node.Config{
		Name: "kitchen", Network: "home", Keys: crypto.Ring(crypto.GenerateKey()),
		NoLAN: true, Listen: "127.0.0.1:0",
	}
	fernotel.Instrument(&cfg, fernotel.WithTracerProvider(tracers))
	kitchen, err := node.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	err = kitchen.Commands().Handle("lights.set", func(context.Context, *commands.Call) (any, error) { return "red", nil })
	if err != nil {
		log.Fatal(err)
	}
	if err := kitchen.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer kitchen.Shutdown(ctx)

	if _, err := kitchen.Call(ctx, "kitchen", "lights.set"); err != nil {
		log.Fatal(err)
	}
	got := spans.GetSpans()
	for _, s := range got {
		fmt.Println(s.SpanKind, s.Name)
	}
	fmt.Println("one trace:", got[0].SpanContext.TraceID() == got[1].SpanContext.TraceID())
	// Output:
	// server lights.set
	// client lights.set
	// one trace: true
}
