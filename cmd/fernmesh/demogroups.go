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

// demoServices are what the nodes of the demo offer.
var demoServices = map[string]string{"garden": "thermostat", "kitchen": "thermostat"}

// anyMember calls one member of a service several times, which take turns, and
// then its whole group.
func (d *demo) anyMember(ctx context.Context, target string) (outcome, error) {
	start := time.Now()
	by := map[string]int{}
	for range 4 {
		reply, err := d.node.Call(ctx, target, "host.info")
		if err != nil {
			return outcome{}, err
		}
		by[reply.Node]++
	}
	o := outcome{took: time.Since(start) / 4}
	g := d.node.Gather(ctx, node.Group("thermostat"), "host.info")
	all := g.All()
	o.path = commonPath(all)
	var turns []string
	for _, name := range sortedKeys(by) {
		turns = append(turns, fmt.Sprintf("%s x%d", name, by[name]))
	}
	o.result = strings.Join(turns, ", ")
	if err := g.Err(); err != nil {
		return o, err
	}
	if want := sortedKeys(demoServices); !slices.Equal(sortedKeys(by), want) || !slices.Equal(sortedKeys(all), want) {
		return o, errors.New("expected garden and kitchen, in turn and as a group")
	}
	return o, nil
}

// firstOf gathers from three nodes until one has answered: the others are told
// to stop, and each has its outcome.
func (d *demo) firstOf(ctx context.Context, targets string) (outcome, error) {
	start := time.Now()
	g := d.node.Gather(ctx, node.Nodes(strings.Split(targets, ",")...), "sleep.for", node.Args(0.01), node.First(1), node.AtOnce(1))
	all := g.All()
	o := outcome{took: time.Since(start), path: "lan"}
	answered, stopped := 0, 0
	for _, got := range all {
		var rule *node.StoppedError
		switch {
		case got.Err == nil:
			answered++
		case errors.As(got.Err, &rule):
			stopped++
		}
	}
	o.result = fmt.Sprintf("%d answered, %d not called", answered, stopped)
	if answered != 1 || stopped != len(all)-1 {
		return o, errors.New("expected one answer, and the others stopped")
	}
	return o, nil
}
