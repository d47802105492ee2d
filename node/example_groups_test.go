package node_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// house starts nodes of one network on this machine; each is configured by its
// function.
func house(ctx context.Context, nodes map[string]func(*node.Config)) map[string]*node.Node {
	key, port := crypto.Ring(crypto.GenerateKey()), freePort() // real networks leave AdvertPort alone
	started := map[string]*node.Node{}
	for name, set := range nodes {
		cfg := node.Config{
			Name: name, Network: "home", Keys: key,
			Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
		}
		set(&cfg)
		n, err := node.New(cfg)
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		started[name] = n
	}
	return started
}

func thermostat(c *node.Config) { c.Services, c.Tags = []string{"thermostat"}, []string{"upstairs"} }

func plain(*node.Config) {}

// A service is offered by several nodes; a call goes to one that is ready, and
// to another if that one cannot be reached.
func ExamplePick() {
	ctx := context.Background()
	nodes := house(ctx, map[string]func(*node.Config){"attic": thermostat, "bath": thermostat, "desk": plain})
	for _, n := range nodes {
		defer n.Shutdown(ctx)
	}
	desk := nodes["desk"]
	if err := desk.WaitFor(ctx, "attic"); err != nil {
		log.Fatal(err)
	}
	if err := desk.WaitFor(ctx, "bath"); err != nil {
		log.Fatal(err)
	}
	var by []string
	for range 4 {
		reply, err := desk.Call(ctx, "any(thermostat)", "__echo__", node.Pick(node.RoundRobin))
		if err != nil {
			log.Fatal(err)
		}
		by = append(by, reply.Node)
	}
	slices.Sort(by)
	fmt.Println(by)

	// The same key goes to the same member, from whichever node.
	one, err := desk.Call(ctx, "any(thermostat)", "__echo__", node.Sticky("room 7"))
	if err != nil {
		log.Fatal(err)
	}
	two, err := desk.Call(ctx, "any(thermostat)", "__echo__", node.Sticky("room 7"))
	fmt.Println(one.Node == two.Node, err)
	// Output:
	// [attic attic bath bath]
	// true <nil>
}

// A node that has to warm up offers its service first and is ready later.
func ExampleNode_SetReady() {
	ctx := context.Background()
	nodes := house(ctx, map[string]func(*node.Config){"attic": plain, "desk": plain})
	for _, n := range nodes {
		defer n.Shutdown(ctx)
	}
	if err := nodes["attic"].SetReady("thermostat", false); err != nil {
		log.Fatal(err)
	}
	go func() {
		time.Sleep(50 * time.Millisecond) // warming up
		if err := nodes["attic"].SetReady("thermostat", true); err != nil {
			log.Fatal(err)
		}
	}()
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	fmt.Println(nodes["desk"].WaitForService(wait, "thermostat"))
	// Output: <nil>
}

// A gather goes to a group, and stops when a majority has answered.
func ExampleGroup() {
	ctx := context.Background()
	nodes := house(ctx, map[string]func(*node.Config){"attic": thermostat, "bath": thermostat, "cellar": thermostat, "desk": plain})
	for _, n := range nodes {
		defer n.Shutdown(ctx)
	}
	desk := nodes["desk"]
	for _, name := range []string{"attic", "bath", "cellar"} {
		if err := desk.WaitFor(ctx, name); err != nil {
			log.Fatal(err)
		}
	}
	g := desk.Gather(ctx, node.Union(node.Group("thermostat"), node.Tagged("upstairs")), "__echo__", node.Quorum())
	fmt.Println(g.Members(), g.Err())
	s := g.Summary()
	fmt.Println(s.Members, s.Answered >= 2)
	// Output:
	// [attic bath cellar] <nil>
	// 3 true
}
