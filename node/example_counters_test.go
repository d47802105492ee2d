package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// What passed between two nodes, and how the one that serves answered.
func ExampleNode_PeerStats() {
	ctx := context.Background()
	keys := crypto.Ring(crypto.GenerateKey())
	kitchen, err := node.New(node.Config{Name: "kitchen", Network: "counted", Keys: keys, NoLAN: true, Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	err = kitchen.Commands().Handle("lights.set", func(context.Context, *commands.Call) (any, error) { return "red", nil })
	if err != nil {
		log.Fatal(err)
	}
	if err := kitchen.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer kitchen.Shutdown(ctx)
	hall, err := node.New(node.Config{Name: "hall", Network: "counted", Keys: keys, NoLAN: true, Peers: []string{kitchen.Addr().String()}})
	if err != nil {
		log.Fatal(err)
	}
	if err := hall.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer hall.Shutdown(ctx)

	for _, path := range []string{"lights.set", "lights.set", "lights.sit"} {
		if _, err := hall.Call(ctx, "kitchen", path); err != nil {
			fmt.Println(err.(*commands.Error).Code)
		}
	}
	peer := hall.PeerStats()["kitchen"]
	fmt.Println(peer.Out.Requests, "requests,", peer.In.Answers, "answers")
	fmt.Printf("%+v\n", kitchen.Periods().Minute.Results)
	// Output:
	// NOT_FOUND
	// 3 requests, 3 answers
	// {OK:2 CallerErrors:1 ServerErrors:0 Refused:0}
}
