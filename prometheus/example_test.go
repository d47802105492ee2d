package fernprom_test

import (
	"context"
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
	fernprom "github.com/fernmesh/fernmesh/prometheus"
)

func ExampleNew() {
	ctx := context.Background()
	kitchen, err := node.New(node.Config{
		Name: "kitchen", Network: "home", Keys: crypto.Ring(crypto.GenerateKey()),
		NoLAN: true, Listen: "127.0.0.1:0",
	})
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

	registry := prometheus.NewRegistry() // promhttp.HandlerFor serves it
	registry.MustRegister(fernprom.New(kitchen))

	if _, err := kitchen.Call(ctx, "kitchen", "lights.set"); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "fernmesh_command_calls_total" {
			m := f.GetMetric()[0]
			fmt.Println(m.GetLabel()[0].GetValue(), m.GetCounter().GetValue())
		}
	}
	// Output: lights.set 1
}
