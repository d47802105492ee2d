package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/node"
)

// A peer is there from the moment it is discovered, and stays when it has gone,
// with the reason why.
func ExampleNode_Peer() {
	ctx := context.Background()
	start := starter(ctx, node.Limits{})
	kitchen, cellar := start("kitchen"), start("cellar")
	defer kitchen.Shutdown(ctx)
	if err := kitchen.WaitFor(ctx, "cellar"); err != nil {
		log.Fatal(err)
	}

	peer, _ := kitchen.Peer("cellar")
	fmt.Println(peer.State(), peer.Reason())
	if err := peer.WaitForReady(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(peer.State(), peer.Direction(), peer.DisconnectedSince())
	if _, err := kitchen.Ping(ctx, "cellar"); err != nil { // the cellar has seen the link, too
		log.Fatal(err)
	}

	events := kitchen.Events(ctx)
	cellar.Shutdown(ctx)
	for e := range events {
		if e.Kind == node.LinkDown {
			break
		}
	}
	fmt.Println(peer.Ready(), peer.Reason(), peer.Status().LastBye.Text)
	// Output:
	// closed none
	// ready sender -1
	// false peer said bye shutting down
}
