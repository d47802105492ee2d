// Hello is the smallest mesh: two nodes that share a key find each other and
// one calls a command of the other.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

func main() {
	if err := hello(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func hello(ctx context.Context, out io.Writer) error {
	keys := crypto.Ring(crypto.GenerateKey()) // what makes them one network
	kitchen, err := start(ctx, "kitchen", keys)
	if err != nil {
		return err
	}
	defer kitchen.Shutdown(ctx)
	err = kitchen.Commands().Handle("greet", func(_ context.Context, c *commands.Call) (any, error) {
		name, err := commands.Arg[string](c, 0)
		return "hello " + name + ", this is the kitchen", err
	})
	if err != nil {
		return err
	}
	garden, err := start(ctx, "garden", keys)
	if err != nil {
		return err
	}
	defer garden.Shutdown(ctx)
	reply, err := garden.Call(ctx, "kitchen", "greet", node.Args("garden"))
	if err != nil {
		return err
	}
	answer, err := reply.Value()
	fmt.Fprintln(out, answer)
	return err
}

func start(ctx context.Context, name string, keys crypto.KeyRing) (*node.Node, error) {
	n, err := node.New(node.Config{Name: name, Network: "hello", Keys: keys})
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}
