package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// topic publishes a value through one of the nodes and receives it by a
// subscription, once.
func (d *demo) topic(ctx context.Context, topic string) (outcome, error) {
	s, err := d.node.Subscribe(ctx, "news.*")
	if err != nil {
		return outcome{}, err
	}
	defer s.Close()
	start := time.Now()
	if err := d.node.Publish(ctx, topic, "fresh fish"); err != nil {
		return outcome{}, err
	}
	for m := range s.Messages(ctx) {
		v, err := m.Value()
		o := outcome{path: d.pathTo(m.Node), took: time.Since(start), result: fmt.Sprintf("%q, published by %s", v, m.Node)}
		if err != nil || v != "fresh fish" || m.Topic != topic || m.Missed != 0 {
			return o, errors.Join(errors.New("expected the value that was published"), err)
		}
		return o, nil
	}
	return outcome{result: "nothing came"}, ctx.Err()
}
