package node_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// Two nodes of one network on one machine: one offers a command, the other
// finds it by name and calls it.
func Example() {
	ctx := context.Background()
	key := crypto.Ring(crypto.GenerateKey())
	port := freePort() // real networks leave AdvertPort alone
	start := func(name string) *node.Node {
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
	kitchen, attic := start("kitchen"), start("attic")
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)

	err := kitchen.Commands().Handle("lights.set", func(_ context.Context, c *commands.Call) (any, error) {
		colour, err := commands.Arg[string](c, 0)
		return "now " + colour, err
	})
	if err != nil {
		log.Fatal(err)
	}

	reply, err := attic.Call(ctx, "kitchen", "lights.set", node.Args("red"))
	if err != nil {
		log.Fatal(err)
	}
	value, err := reply.Value()
	fmt.Println(value, err, reply.Path.Kind)

	_, err = attic.Call(ctx, "kitchen", "lights.sett")
	fmt.Println(err.(*commands.Error).Code, err.(*commands.Error).Executed)
	// Output:
	// now red <nil> lan
	// NOT_FOUND no
}

// Gather calls several nodes and yields one outcome per member as it arrives.
func ExampleNode_Gather() {
	ctx := context.Background()
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	for _, name := range []string{"one", "two"} {
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key, Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		defer n.Shutdown(ctx)
	}
	caller, err := node.New(node.Config{
		Observer: true, Network: "home", Keys: key, Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := caller.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer caller.Shutdown(ctx)

	all := caller.Gather(ctx, node.Everyone, "__info__").All()
	for _, name := range []string{"one", "two"} {
		fmt.Println(name, all[name].Err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

func freePort() int {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}
