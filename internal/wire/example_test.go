package wire_test

import (
	"fmt"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// A frame with one CALL, built and read.
func Example() {
	args, err := wire.Marshal([]any{"hello"})
	if err != nil {
		panic(err)
	}
	frame := wire.BeginFrame(nil, 1)
	frame = wire.AppendMessage(frame, wire.TypeCall, wire.AppendCall(nil, wire.Call{Number: 1, Path: "demo.echo", Args: args}))

	messages, err := wire.ParseFrame(frame, 1)
	if err != nil {
		panic(err)
	}
	for m := range messages.All() {
		call, err := wire.ParseCall(m.Body)
		if err != nil {
			panic(err)
		}
		var got []any
		if err := wire.Unmarshal(call.Args, &got, wire.Data); err != nil {
			panic(err)
		}
		fmt.Println(m.Type, call.Number, call.Path, got)
	}
	// Output: CALL 1 demo.echo [hello]
}
