package main

import (
	"context"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// guest brings up one more node of the demo's network, in this process; d.part
// ends it.
func (d *demo) guest(ctx context.Context, name string, limits node.Limits) (*node.Node, error) {
	n, err := node.New(node.Config{
		Name: name, Network: demoNetwork, Keys: crypto.Ring(d.key),
		Interfaces: []string{d.loopback}, AdvertPort: d.advertPort, Limits: limits,
	})
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}
