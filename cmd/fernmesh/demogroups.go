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
