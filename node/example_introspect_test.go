package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// started is a running node on the loopback interface, alone in its network.
func started(name string) *node.Node {
	n, err := node.New(node.Config{
		Name: name, Network: "home", Keys: crypto.Ring(crypto.GenerateKey()),
		Interfaces: []string{"lo*"}, AdvertPort: freePort(), NoMDNS: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return n
}

// A node counts the calls of each of its commands.
func ExampleNode_CommandStats() {
	ctx := context.Background()
	n := started("kitchen")
	defer n.Shutdown(ctx)
	type lamp struct {
		Level int8 `json:"level"`
	}
	err := commands.Func(n.Commands(), "lights.set", func(context.Context, lamp) (bool, error) { return true, nil })
	if err != nil {
		log.Fatal(err)
	}
	_, _ = n.Call(ctx, "kitchen", "lights.set", node.Args(100))
	_, _ = n.Call(ctx, "kitchen", "lights.set", node.Args(1000))

	s := n.CommandStats()["lights.set"]
	fmt.Println(s.Calls, s.Errors, s.Running)
	fmt.Println(s.LastError.Code, s.LastError.Text)
	// Output:
	// 2 1 0
	// INVALID_ARGUMENT argument level: expected an integer from -128 to 127, got integer 1000
}

// Checks of the application decide whether a node is well.
func ExampleNode_AddHealthCheck() {
	ctx := context.Background()
	n := started("kitchen")
	defer n.Shutdown(ctx)
	err := n.AddHealthCheck("oven", func(context.Context) error { return errors.New("the door is open") })
	if err != nil {
		log.Fatal(err)
	}
	h, err := node.Invoke[node.Health](ctx, n, "kitchen", "__health__", nil)
	fmt.Println(h.Status, h.Checks["oven"].Error, err)
	// Output: failing the door is open <nil>
}
