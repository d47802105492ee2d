package node

import (
	"context"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// traced puts the trace of a call into its handler's context, so that calls
// which the handler makes belong to it.
func (n *Node) traced(next rpc.ServeFunc) rpc.ServeFunc {
	return func(ctx context.Context, cmd *commands.Command, c *commands.Call, answer func([]byte, *commands.Error)) {
		if trace, ok := commands.DecodeTrace(c.Trace); ok {
			ctx = commands.WithTrace(ctx, trace)
		} else if len(c.Trace) > 0 {
			n.count.TracesIgnored.Add(1)
		}
		next(ctx, cmd, c, answer)
	}
}

// traceElement is what a CALL made with ctx carries of its trace; nil without one.
func traceElement(ctx context.Context) []byte {
	trace, ok := commands.TraceOf(ctx)
	if !ok {
		return nil
	}
	return trace.Encode()
}
