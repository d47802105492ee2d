package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/node"
)

// Nodes tell each other what they are and offer. One that wants a common
// service refuses the others by a code that its peers can read.
func ExampleConfig_requireCommonService() {
	ctx := context.Background()
	nodes := house(ctx, map[string]func(*node.Config){
		"attic": func(c *node.Config) {
			c.Services, c.ServiceVersions = []string{"thermostat"}, map[string]string{"thermostat": "2.1"}
			c.RequireCommonService = true
		},
		"bath": thermostat,
		"desk": plain,
	})
	for _, n := range nodes {
		defer n.Shutdown(ctx)
	}
	if _, err := nodes["bath"].Call(ctx, "attic", "__echo__"); err != nil {
		log.Fatal(err)
	}
	for _, p := range nodes["bath"].Peers() {
		if p.Name == "attic" {
			fmt.Println(p.Product, p.Services[0].Name, p.Services[0].Version, p.Common)
		}
	}
	_, err := nodes["desk"].Call(ctx, "attic", "__echo__")
	var refused *node.RefusedError
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Reason)
	}
	// Output:
	// fernmesh thermostat 2.1 [thermostat]
	// 6 no common service
}
