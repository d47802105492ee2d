package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// Steps of the demo that need its relay.

// throughRelay calls a node that has no LAN from a caller that has none either.
func (d *demo) throughRelay(ctx context.Context, target string) (outcome, error) {
	reply, err := d.far.Call(ctx, target, "text.upper", node.Args("over the sea"))
	if err != nil {
		return outcome{}, err
	}
	var text string
	if err := reply.Decode(&text); err != nil {
		return outcome{}, err
	}
	o := answered(reply, text)
	if text != "OVER THE SEA" || reply.Path.Kind != "relay" {
		return o, errors.New("expected OVER THE SEA over the relay")
	}
	return o, nil
}

func (d *demo) gatherFar(ctx context.Context, targets string) (outcome, error) {
	start := time.Now()
	g := d.far.Gather(ctx, node.Nodes(strings.Split(targets, ",")...), "host.info")
	all := g.All()
	o := outcome{took: time.Since(start), path: commonPath(all)}
	if err := g.Err(); err != nil {
		return o, err
	}
	o.result = strings.Join(sortedKeys(all), ", ")
	if !slices.Equal(sortedKeys(all), demoFarNodes) || o.path != "relay x2" {
		return o, fmt.Errorf("expected %s", strings.Join(demoFarNodes, ", "))
	}
	return o, nil
}

// harbourTime is how long the command at the node with two paths takes: the LAN
// falls silent after it has begun and before it ends.
const harbourTime = 2.0

// silentLAN calls a node over the LAN, here a forwarder, which falls silent
// while the command runs. The call must move to the relay and end, and the
// command must have run once.
func (d *demo) silentLAN(ctx context.Context, target string) (outcome, error) {
	f, err := newForwarder(d.addressOf(target))
	if err != nil {
		return outcome{}, err
	}
	defer f.Close()
	caller, err := d.observer(ctx, node.Config{NoLAN: true, Peers: []string{f.address()}, Relays: []string{d.relayAt}})
	if err != nil {
		return outcome{}, err
	}
	defer d.part(caller)
	if err := waitForLAN(ctx, caller, target); err != nil {
		return outcome{}, err
	}
	type result struct {
		reply *node.Reply
		err   error
	}
	came := make(chan result, 1)
	go func() {
		reply, err := caller.Call(ctx, target, "count.slowly", node.Args(harbourTime))
		came <- result{reply, err}
	}()
	begun := d.waitForRun(ctx, target)
	f.silence()
	r := <-came // also when ctx ends
	if err := errors.Join(begun, r.err); err != nil {
		return outcome{}, err
	}
	return d.ranOnce(ctx, target, r.reply)
}

// waitForLAN returns when calls to target go over the LAN.
func waitForLAN(ctx context.Context, caller *node.Node, target string) error {
	for {
		pong, err := caller.Ping(ctx, target)
		if err == nil && pong.Path.Kind == "lan" {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return errors.Join(errors.New("the node was not reached over the LAN"), err)
		}
	}
}

// waitForRun returns when the command at target has begun.
func (d *demo) waitForRun(ctx context.Context, target string) error {
	for {
		runs, err := d.runs(ctx, target)
		if err != nil || runs > 0 {
			return err
		}
		if !pause(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// runs asks the callee how often the command ran.
func (d *demo) runs(ctx context.Context, target string) (runs int64, err error) {
	reply, err := d.far.Call(ctx, target, "count.runs")
	if err != nil {
		return 0, err
	}
	return runs, reply.Decode(&runs)
}

// ranOnce checks where the answer came from and how often the command ran.
func (d *demo) ranOnce(ctx context.Context, target string, reply *node.Reply) (outcome, error) {
	var number int64
	if err := reply.Decode(&number); err != nil {
		return outcome{}, err
	}
	runs, err := d.runs(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	o := answered(reply, fmt.Sprintf("moved to the relay, ran %d time", runs))
	if runs != 1 {
		o.result += "s"
	}
	if number != 1 || runs != 1 || reply.Path.Kind != "relay" {
		return o, errors.New("expected one run, and its answer through the relay")
	}
	return o, nil
}
