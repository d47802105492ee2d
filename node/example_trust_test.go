package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// Every holder of the network's key can call itself "kitchen". A node that pins
// the name to a key calls nobody else under it.
func ExampleTrust() {
	ctx := context.Background()
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	start := func(cfg node.Config) *node.Node {
		cfg.Network, cfg.Keys = "home", key
		cfg.Interfaces, cfg.AdvertPort, cfg.NoMDNS = []string{"lo*"}, port, true
		n, err := node.New(cfg)
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		return n
	}
	right := crypto.NewIdentity()
	attic := start(node.Config{Name: "attic", Trust: node.TrustPinned, Pins: map[string]crypto.NodeKey{"kitchen": right.Public()}})
	defer attic.Shutdown(ctx)

	impostor := start(node.Config{Name: "kitchen"})
	_, err := attic.Call(ctx, "kitchen", "__echo__")
	var refused *node.RefusedError
	fmt.Println(errors.As(err, &refused), refused.Text)
	if err := impostor.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}

	kitchen := start(node.Config{Name: "kitchen", Identity: right})
	defer kitchen.Shutdown(ctx)
	_, err = attic.Call(ctx, "kitchen", "__echo__")
	fmt.Println(err)
	// Output:
	// true another identity key is known here for this name; if the node was set up anew, the owner here has to forget the old one
	// <nil>
}
