package commands_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/fernmesh/fernmesh/commands"
)

// A typed command may answer with many values, each sent as it is there.
func ExampleServerStream() {
	type From struct {
		N int `json:"n"`
	}
	tree := commands.NewTree()
	err := commands.ServerStream(tree, "countdown", func(_ context.Context, in From) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := in.N; i > 0; i-- {
				if !yield(i, nil) {
					return // the caller is gone
				}
			}
		}
	}, commands.Doc("Counts down."))
	if err != nil {
		fmt.Println(err)
	}
	d, _ := tree.Describe("countdown")
	fmt.Println(d.Streams)
	fmt.Println(call(tree, "countdown", 3)) // not as a stream
	// Output:
	// output
	// <nil> FAILED_PRECONDITION: command "countdown" streams values (output): call it as a stream (did not run)
}

// A typed command may take many values and answer with one.
func ExampleClientStream() {
	tree := commands.NewTree()
	err := commands.ClientStream(tree, "mean", func(_ context.Context, _ struct{}, items iter.Seq2[float64, error]) (float64, error) {
		sum, n := 0.0, 0
		for v, err := range items {
			if err != nil {
				return 0, err
			}
			sum, n = sum+v, n+1
		}
		if n == 0 {
			return 0, commands.Errorf(commands.InvalidArgument, "there were no items")
		}
		return sum / float64(n), nil
	})
	fmt.Println(tree.List(""), err)
	// Output: [mean] <nil>
}
