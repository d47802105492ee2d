package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// overload calls a node that has one place for handlers and no queue while that
// place is taken: the call must be refused at once, with a time to come back.
func (d *demo) overload(ctx context.Context, target string) (outcome, error) {
	busy, err := d.guest(ctx, target, node.Limits{HandlersPerPeer: 1, QueuePerPeer: -1})
	if err != nil {
		return outcome{}, err
	}
	defer d.part(busy)
	began, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	err = busy.Commands().Handle("hold", func(ctx context.Context, _ *commands.Call) (any, error) {
		close(began)
		select {
		case <-free:
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	})
	if err != nil {
		return outcome{}, err
	}
	first, end := context.WithCancel(ctx)
	defer end()
	go func() { _, _ = d.node.Call(first, target, "hold") }() // ends with the step
	select {
	case <-began:
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	start := time.Now()
	_, err = d.node.Call(ctx, target, "hold")
	o := outcome{path: d.pathTo(target), took: time.Since(start), result: "no refusal"}
	var e *commands.Error
	if !errors.As(err, &e) || e.Code != commands.ResourceExhausted || e.Executed != commands.ExecutedNo || e.RetryAfter <= 0 {
		return o, errors.New("expected RESOURCE_EXHAUSTED, not run, with a time to come back")
	}
	o.result = fmt.Sprintf("%v, come back in %d ms", e.Code, e.RetryAfter.Milliseconds())
	return o, nil
}
