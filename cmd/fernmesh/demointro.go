package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// introspect asks every node what it counted of its commands, and how it is. The
// calls of the steps before must be among them, the wrong argument as an error.
func (d *demo) introspect(ctx context.Context, _ string) (outcome, error) {
	start := time.Now()
	all := d.node.Gather(ctx, node.Everyone, "__stats__").All()
	o := outcome{took: time.Since(start), path: commonPath(all)}
	var calls, failed uint64
	for name, got := range all {
		var s struct {
			Commands map[string]struct {
				Calls  uint64 `json:"calls"`
				Errors uint64 `json:"errors"`
			} `json:"commands"`
		}
		if got.Err != nil {
			return o, fmt.Errorf("%s: %w", name, got.Err)
		}
		if err := got.Reply.Decode(&s); err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range s.Commands {
			calls, failed = calls+c.Calls, failed+c.Errors
		}
		if sums := s.Commands["math.add"]; name == "kitchen" && (sums.Calls != 2 || sums.Errors != 1) {
			return o, errors.New("kitchen did not count the two calls of math.add, one of them refused")
		}
	}
	well := 0
	for name, got := range d.node.Gather(ctx, node.Everyone, "__health__").Results() {
		var h node.Health
		if got.Err != nil {
			return o, fmt.Errorf("%s: %w", name, got.Err)
		}
		if err := got.Reply.Decode(&h); err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
		if h.Status != node.HealthOK {
			return o, fmt.Errorf("%s is %q", name, h.Status)
		}
		well++
	}
	o.result = fmt.Sprintf("%d calls, %d failed; %d nodes ok", calls, failed, well)
	return o, nil
}
