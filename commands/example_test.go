package commands_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
)

// call does what the node does for a call that has arrived.
func call(tree *commands.Tree, path string, args ...any) (value any, err error) {
	raw, err := commands.EncodeArgs(args)
	if err != nil {
		return nil, err
	}
	cmd, failure := tree.Find(path)
	if failure != nil {
		return nil, failure
	}
	out, failure := commands.Invoke(context.Background(), cmd, &commands.Call{Path: cmd.Path(), RawArgs: raw})
	if failure != nil {
		return nil, failure
	}
	return value, commands.DecodeValue(out, &value)
}

// A plain handler takes its arguments one by one.
func ExampleTree_Handle() {
	tree := commands.NewTree()
	err := tree.Handle("lights.set", func(_ context.Context, c *commands.Call) (any, error) {
		colour, err := commands.Arg[string](c, 0)
		if err != nil {
			return nil, err
		}
		return "now " + colour, nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(call(tree, "lights.set", "red"))
	fmt.Println(call(tree, "lights.set", 7))
	fmt.Println(call(tree, "lights.sat", "red"))
	// Output:
	// now red <nil>
	// <nil> INVALID_ARGUMENT: argument 0: expected text, got integer 7 (did run)
	// <nil> NOT_FOUND: no command "lights.sat"; nearest: "lights.set" (did not run)
}

// A typed handler is checked before it runs.
func ExampleFunc() {
	type Add struct {
		A int32 `json:"a"`
		B int32 `json:"b,omitempty" jsonschema:"0 if left out"`
	}
	tree := commands.NewTree()
	err := commands.Func(tree, "math.add", func(_ context.Context, in Add) (int64, error) {
		return int64(in.A) + int64(in.B), nil
	}, commands.Doc("Add two numbers."), commands.Idempotent())
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(call(tree, "math.add", 40, 2))
	fmt.Println(call(tree, "math.add", 40))
	fmt.Println(call(tree, "math.add", 40, 2.5))
	fmt.Println(call(tree, "math.add", 40, 2, 3))
	// Output:
	// 42 <nil>
	// 40 <nil>
	// <nil> INVALID_ARGUMENT: argument b: expected an integer from -2147483648 to 2147483647, got number 2.5 (did not run)
	// <nil> INVALID_ARGUMENT: arguments: takes at most 2, got 3 (did not run)
}

// A nested map registers as a whole, or not at all.
func ExampleTree_HandleMap() {
	on := func(context.Context, *commands.Call) (any, error) { return true, nil }
	tree := commands.NewTree()
	err := tree.HandleMap("house", map[string]any{
		"lights": map[string]any{"kitchen": on, "hall": on},
		"door":   on,
	})
	fmt.Println(tree.List("house"), err)
	// Output: [house.door house.lights.hall house.lights.kitchen] <nil>
}

// Errors carry a code, which errors.Is finds.
func ExampleErrorf() {
	err := error(commands.Errorf(commands.FailedPrecondition, "the lamp has no power"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, commands.FailedPrecondition))
	// Output:
	// FAILED_PRECONDITION: the lamp has no power
	// true
}
