package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// A node subscribes to a pattern of topics; what it publishes itself comes too.
func ExampleNode_Subscribe() {
	ctx := context.Background()
	roof, err := node.New(node.Config{
		Name: "roof", Network: "home", Keys: crypto.Ring(crypto.GenerateKey()),
		Interfaces: []string{"lo*"}, AdvertPort: freePort(), NoMDNS: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := roof.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer roof.Shutdown(ctx)
	s, err := roof.Subscribe(ctx, "weather.*")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := roof.Publish(ctx, "weather.roof", map[string]any{"celsius": 21.5}); err != nil {
		log.Fatal(err)
	}
	var m node.Message
	for m = range s.Messages(ctx) {
		break
	}
	var reading struct {
		Celsius float64 `json:"celsius"`
	}
	if err := m.Decode(&reading); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Node, m.Topic, reading.Celsius)
	// Output: roof weather.roof 21.5
}
