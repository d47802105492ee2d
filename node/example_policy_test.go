package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
	"github.com/fernmesh/fernmesh/policy"
)

// A node lets others do what its policy allows. Whoever is refused learns by
// which rule, and a dry run tells beforehand.
func ExampleDryRun() {
	ctx := context.Background()
	rules, err := policy.Parse([]byte(`
lamps: allow name:attic on lights.** rate=5/s
       deny  *          on door.**
`))
	if err != nil {
		log.Fatal(err)
	}
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	start := func(name string, p *policy.Policy) *node.Node {
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key, Policy: p,
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
	kitchen, attic := start("kitchen", rules), start("attic", nil)
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)
	for _, path := range []string{"lights.set", "door.open"} {
		err := kitchen.Commands().Handle(path, func(context.Context, *commands.Call) (any, error) { return "done", nil })
		if err != nil {
			log.Fatal(err)
		}
	}

	reply, err := attic.Call(ctx, "kitchen", "lights.set", node.Args("red"), node.DryRun())
	if err != nil {
		log.Fatal(err)
	}
	var report node.DryRunReport
	if err := reply.Decode(&report); err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.WouldRun, report.Rule, report.Rate)

	_, err = attic.Call(ctx, "kitchen", "door.open")
	var refused *commands.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Executed, refused.Details["rule"])
	}
	// Output:
	// true lamps 5
	// PERMISSION_DENIED no line 3
}
