package commands_test

import (
	"context"
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
)

// A command that only looks something up is marked as quick, so that a node runs
// it without a goroutine of its own.
func ExampleInline() {
	levels := map[string]int{"kitchen": 40}
	type which struct{ Room string }
	tree := commands.NewTree()
	err := commands.Func(tree, "lights.level", func(_ context.Context, in which) (int, error) {
		return levels[in.Room], nil
	}, commands.Inline())
	if err != nil {
		fmt.Println(err)
		return
	}
	cmd, _ := tree.Find("lights.level")
	fmt.Println(cmd.Path(), "is quick:", cmd.Inline())
	// Output: lights.level is quick: true
}
