package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/node"
)

// A node knows the state of each path to a peer, and says why calls take one.
func ExampleNode_Paths() {
	ctx := context.Background()
	start := starter(ctx, node.Limits{})
	kitchen, cellar := start("kitchen"), start("cellar")
	defer kitchen.Shutdown(ctx)
	defer cellar.Shutdown(ctx)

	if _, err := kitchen.PingPath(ctx, "cellar", "lan"); err != nil {
		log.Fatal(err)
	}
	for _, p := range kitchen.Paths("cellar") {
		fmt.Println(p.Kind, p.State, p.Chosen, p.Why)
	}
	_, err := kitchen.PingPath(ctx, "cellar", "relay")
	fmt.Println(err != nil)
	// Output:
	// lan up true only path
	// true
}
