package commands_test

import (
	"context"
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
)

// A plain handler that says what it takes is described and checked like a typed
// one.
func ExampleInput() {
	type lamp struct {
		Colour string `json:"colour" jsonschema:"a name or #rrggbb"`
	}
	tree := commands.NewTree()
	err := tree.Handle("lights.set", func(_ context.Context, c *commands.Call) (any, error) {
		colour, err := commands.Arg[string](c, 0)
		return "now " + colour, err
	}, commands.Input[lamp](), commands.Output[string]())
	if err != nil {
		fmt.Println(err)
	}
	d, _ := tree.Describe("lights.set")
	fmt.Println(d.Arguments, d.Output.Type)
	fmt.Println(call(tree, "lights.set", "red"))
	fmt.Println(call(tree, "lights.set", 7))
	// Output:
	// [colour] string
	// now red <nil>
	// <nil> INVALID_ARGUMENT: argument colour: expected text, got integer 7 (did not run)
}
