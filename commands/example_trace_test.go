package commands_test

import (
	"context"
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
)

// What a caller puts into the context of its call, the handler finds in its own.
func ExampleWithTrace() {
	trace, err := commands.ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := commands.WithTrace(context.Background(), trace)

	handler := func(ctx context.Context) {
		trace, ok := commands.TraceOf(ctx)
		fmt.Println(trace.TraceID, ok, trace.Sampled())
	}
	handler(ctx) // by way of node.Call, on another node
	handler(context.Background())
	// Output:
	// 4bf92f3577b34da6a3ce929d0e0e4736 true true
	// 00000000000000000000000000000000 false false
}
