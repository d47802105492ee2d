package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// A node is told when others come and go, and why.
func ExampleNode_Events() {
	ctx := context.Background()
	start := starter(ctx, node.Limits{})
	kitchen := start("kitchen")
	defer kitchen.Shutdown(ctx)

	events := kitchen.Events(ctx)
	cellar := start("cellar")
	if err := kitchen.WaitFor(ctx, "cellar"); err != nil {
		log.Fatal(err)
	}
	cellar.Shutdown(ctx)
	for e := range events {
		fmt.Printf("%s %s: %s\n", e.Node, e.Kind, e.Reason)
		if e.Kind == node.Left {
			break
		}
	}
	// Output:
	// cellar joined: heard on the LAN
	// cellar left: goodbye
}

// A node that has enough to do refuses calls before they run, and says when to
// come again.
func ExampleLimits() {
	ctx := context.Background()
	start := starter(ctx, node.Limits{HandlersPerPeer: 1, QueuePerPeer: -1})
	kitchen, cellar := start("kitchen"), start("cellar")
	defer kitchen.Shutdown(ctx)
	defer cellar.Shutdown(ctx)

	busy, free := make(chan struct{}), make(chan struct{})
	err := kitchen.Commands().Handle("bake", func(context.Context, *commands.Call) (any, error) {
		close(busy)
		<-free
		return "bread", nil
	})
	if err != nil {
		log.Fatal(err)
	}
	first := make(chan error)
	go func() { _, err := cellar.Call(ctx, "kitchen", "bake"); first <- err }()
	<-busy

	_, err = cellar.Call(ctx, "kitchen", "bake")
	var e *commands.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, "executed:", e.Executed, "come again:", e.RetryAfter > 0)
	}
	close(free)
	fmt.Println(<-first, kitchen.Stats().PeerFull)
	// Output:
	// RESOURCE_EXHAUSTED executed: no come again: true
	// <nil> 1
}

// starter brings up nodes of one network on the loopback interface.
func starter(ctx context.Context, limits node.Limits) func(name string) *node.Node {
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	return func(name string) *node.Node {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key, Limits: limits,
			Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		return n
	}
}
