package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernmesh/fernmesh/node"
)

// hedged calls a node over the LAN and the relay at once: the command must run
// once.
func (d *demo) hedged(ctx context.Context, target string) (outcome, error) {
	caller, err := d.observer(ctx, node.Config{NoLAN: true, Peers: []string{d.addressOf(target)}, Relays: []string{d.relayAt}})
	if err != nil {
		return outcome{}, err
	}
	defer d.part(caller)
	if err := waitForLAN(ctx, caller, target); err != nil {
		return outcome{}, err
	}
	before, err := d.runs(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	calls := int64(0)
	var reply *node.Reply
	for caller.Stats().SecondPaths == 0 { // the first calls may end before there is a second path
		if reply, err = caller.Call(ctx, target, "count.slowly", node.Args(0.05), node.Hedge()); err != nil {
			return outcome{}, err
		}
		calls++
	}
	after, err := d.runs(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	o := answered(reply, fmt.Sprintf("calls: %d, over two paths: %d, runs: %d", calls, caller.Stats().SecondPaths, after-before))
	if after-before != calls {
		return o, errors.New("expected one run for each call")
	}
	return o, nil
}
