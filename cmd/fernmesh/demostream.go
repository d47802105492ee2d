package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// stream holds a talk with a command of another process: each text goes when
// the answer to the one before has come, so that none waits for the end.
func (d *demo) stream(ctx context.Context, target string) (outcome, error) {
	start := time.Now()
	s := d.node.Stream(ctx, target, "text.uppers")
	defer s.Close()
	var got []string
	for _, text := range []string{"one", "by", "one"} {
		if err := s.Send(text); err != nil {
			break // the result says why
		}
		var v string
		if err := s.Next(&v); err != nil {
			return outcome{}, err
		}
		got = append(got, v)
	}
	if err := s.CloseSend(); err != nil {
		_, err = s.Result()
		return outcome{}, err
	}
	reply, err := s.Result()
	if err != nil {
		return outcome{}, err
	}
	count := 0
	for v, err := range node.InvokeStream[int](ctx, d.node, target, "count.up", countInput{To: 10_000}) {
		if count++; err != nil || v != count {
			return outcome{}, fmt.Errorf("value %d of a stream: %d, %w", count, v, err)
		}
	}
	o := outcome{fmt.Sprintf("%s; then %d values", strings.Join(got, " "), count), pathText(reply.Path), time.Since(start)}
	if !slices.Equal(got, []string{"ONE", "BY", "ONE"}) || count != 10_000 {
		return o, fmt.Errorf("expected ONE BY ONE and 10000 values")
	}
	return o, nil
}
