package node

import (
	"context"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// newChain puts together what a call of another node, or of this one, passes
// between its arrival and its command. The first step is the last line; each
// has a file of its own.
func (n *Node) newChain() rpc.ServeFunc {
	serve := rpc.ServeFunc(commands.Serve)
	serve = intercepted(n.cfg.ServeInterceptors, serve)
	serve = dryRuns(serve)
	serve = n.gated(serve)
	serve = n.traced(serve)
	serve = n.tallies.counted(serve)
	return serve
}

// invoke runs a command by the chain on a goroutine of its own, which a handler
// may end, and returns after it.
func (n *Node) invoke(ctx context.Context, cmd *commands.Command, c *commands.Call) ([]byte, *commands.Error) {
	type result struct {
		value []byte
		err   *commands.Error
	}
	done := make(chan result, 1)
	go n.chain(ctx, cmd, c, func(value []byte, err *commands.Error) { done <- result{value, err} })
	r := <-done
	return r.value, r.err
}
