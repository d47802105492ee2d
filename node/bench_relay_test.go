package node

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// BenchmarkCallThroughRelay is BenchmarkCall between two nodes that only share
// a relay, all on loopback in one process, so that the two can be compared.
func BenchmarkCallThroughRelay(b *testing.B) {
	nodes := atRelay(b, "a", "b")
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := nodes[1].Commands().Handle("mirror", mirror); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("size=%d/callers=%d", size, callers), func(b *testing.B) {
				benchmarkCall(b, nodes[0], make([]byte, size), callers)
			})
		}
	}
}

// atRelay starts a relay and nodes that know nothing but it.
func atRelay(b testing.TB, names ...string) []*Node {
	b.Helper()
	server, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	b.Cleanup(func() { server.Close(); <-served })
	keys := crypto.Ring(crypto.GenerateKey())
	nodes := make([]*Node, len(names))
	for i, name := range names {
		n, err := New(Config{Name: name, Network: "bench", Keys: keys, NoLAN: true, Relays: []string{l.Addr().String()}})
		if err != nil {
			b.Fatal(err)
		}
		if err := n.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = n.Shutdown(ctx) // the figures are there
		})
		nodes[i] = n
	}
	return nodes
}
