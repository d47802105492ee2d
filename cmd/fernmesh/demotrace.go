package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// traced calls a node whose command calls another node: both must see the trace
// that the call began with.
func (d *demo) traced(ctx context.Context, target string) (outcome, error) {
	near, err := d.guest(ctx, target, node.Limits{})
	if err != nil {
		return outcome{}, err
	}
	defer d.part(near)
	deep, err := d.guest(ctx, target+"-behind", node.Limits{})
	if err != nil {
		return outcome{}, err
	}
	defer d.part(deep)
	seen := func(ctx context.Context) string { t, _ := commands.TraceOf(ctx); return t.TraceID.String() }
	err = errors.Join(
		deep.Commands().Handle("see", func(ctx context.Context, _ *commands.Call) (any, error) { return []string{seen(ctx)}, nil }),
		near.Commands().Handle("see", func(ctx context.Context, _ *commands.Call) (any, error) {
			further, err := node.Invoke[[]string](ctx, near, deep.Name(), "see", nil)
			return append(further, seen(ctx)), err
		}))
	if err != nil {
		return outcome{}, err
	}
	var trace commands.TraceContext
	rand.Read(trace.TraceID[:])
	rand.Read(trace.SpanID[:])
	reply, err := d.node.Call(commands.WithTrace(ctx, trace), target, "see")
	if err != nil {
		return outcome{}, err
	}
	var ids []string
	if err := reply.Decode(&ids); err != nil {
		return outcome{}, err
	}
	o := answered(reply, trace.TraceID.String()[:8]+"… on two nodes")
	if len(ids) != 2 || ids[0] != trace.TraceID.String() || ids[1] != ids[0] {
		return o, errors.New("expected the same trace on both nodes")
	}
	return o, nil
}
