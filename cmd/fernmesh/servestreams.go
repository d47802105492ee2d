package main

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// addStreamCommands registers the commands of "fernmesh serve" that stream: one
// for each direction.
func addStreamCommands(t *commands.Tree) error {
	return errors.Join(
		commands.ServerStream(t, "count.up", countUp, commands.Doc("Counts from 1, one value at a time, with a pause after each: to see a stream of values."), commands.Idempotent()),
		commands.ClientStream(t, "math.sum", mathSum, commands.Doc("Adds all the whole numbers that are streamed to it."), commands.Idempotent()),
		commands.BidiStream(t, "text.uppers", textUppers, commands.Doc("Returns each text that is streamed to it in capitals, as it comes."), commands.Idempotent()),
	)
}

type countInput struct {
	To    int64   `json:"to" jsonschema:"the last number"`
	Pause float64 `json:"pause,omitempty" jsonschema:"seconds to wait after each number"`
}

func countUp(ctx context.Context, in countInput) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		if !(in.Pause >= 0 && in.Pause <= 86400) { // NaN is neither
			yield(0, commands.Errorf(commands.InvalidArgument, "pause: must be from 0 to 86400").DidNotRun())
			return
		}
		wait := time.Duration(in.Pause * float64(time.Second))
		for i := int64(1); i <= in.To; i++ {
			if !yield(i, nil) || i < in.To && wait > 0 && !pause(ctx, wait) {
				return
			}
		}
	}
}

func mathSum(ctx context.Context, _ struct{}, items iter.Seq2[int64, error]) (int64, error) {
	sum := int64(0)
	for n, err := range items {
		if err == nil {
			sum, err = mathAdd(ctx, addInput{sum, n})
		}
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func textUppers(_ context.Context, _ struct{}, items iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for text, err := range items {
			if !yield(strings.ToUpper(text), err) {
				return
			}
		}
	}
}
