package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// alone is a node without a network around it, which can call itself.
func alone(set func(*node.Config)) *node.Node {
	cfg := node.Config{
		Name: "kitchen", Network: "home", Keys: crypto.Ring(crypto.GenerateKey()),
		NoLAN: true, Listen: "127.0.0.1:0",
	}
	set(&cfg)
	n, err := node.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return n
}

// A caller's interceptor sees each call and its outcome; a callee's may refuse
// what it does not like.
func ExampleCallInterceptor() {
	ctx := context.Background()
	kitchen := alone(func(cfg *node.Config) {
		cfg.CallInterceptors = []node.CallInterceptor{
			func(ctx context.Context, info node.CallInfo, next func(context.Context) (*node.Reply, error)) (*node.Reply, error) {
				reply, err := next(ctx)
				fmt.Printf("%s on %s: %v\n", info.Path, info.Target, err)
				return reply, err
			},
		}
		cfg.ServeInterceptors = []node.ServeInterceptor{
			func(ctx context.Context, c *commands.Call, cmd *commands.Command, next func(context.Context) ([]byte, error)) ([]byte, error) {
				if cmd.Path().String() == "oven.on" {
					return nil, commands.Errorf(commands.FailedPrecondition, "nobody is at home")
				}
				return next(ctx)
			},
		}
	})
	defer kitchen.Shutdown(ctx)
	for _, path := range []string{"oven.on", "oven.off"} {
		err := kitchen.Commands().Handle(path, func(context.Context, *commands.Call) (any, error) { return nil, nil })
		if err != nil {
			log.Fatal(err)
		}
		_, _ = kitchen.Call(ctx, "kitchen", path) // the interceptor prints how it went
	}
	// Output:
	// oven.on on kitchen: FAILED_PRECONDITION: nobody is at home (did not run)
	// oven.off on kitchen: <nil>
}
