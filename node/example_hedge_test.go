package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// A hedged call goes over all of two paths, if there are two, and runs once.
func ExampleHedge() {
	ctx := context.Background()
	start := func(name string, port int, key crypto.KeyRing) *node.Node {
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key,
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
	port, key := freePort(), crypto.Ring(crypto.GenerateKey())
	door, phone := start("door", port, key), start("phone", port, key)
	defer door.Shutdown(ctx)
	defer phone.Shutdown(ctx)
	opened := 0
	err := door.Commands().Handle("open", func(context.Context, *commands.Call) (any, error) {
		opened++
		return "open", nil
	})
	if err != nil {
		log.Fatal(err)
	}

	reply, err := phone.Call(ctx, "door", "open", node.Hedge())
	if err != nil {
		log.Fatal(err)
	}
	value, err := reply.Value()
	fmt.Println(value, err, opened)
	// Output: open <nil> 1
}
