package contest

import (
	"fmt"
	"sync"
	"time"
)

// Measure is the whole work of a role that calls: it asks for one function per
// caller, warms all up, waits for the span to begin, lets the callers call as
// often as they can until it ends, and hands over the figures. Every call that
// was begun is waited for and counted, and the time counts until the last one
// is done. The first error ends it.
func (p *Process) Measure(caller func(i int) (func() error, error)) error {
	calls := make([]func() error, max(p.Job.Callers, 1))
	for i := range calls {
		call, err := caller(i)
		if err != nil {
			return fmt.Errorf("connect caller %d: %w", i, err)
		}
		calls[i] = call
	}
	if _, _, err := callAll(calls, p.Job.Warm); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	before, err := p.Begin()
	if err != nil {
		return err
	}
	times, elapsed, err := callAll(calls, p.Job.Duration)
	if err != nil {
		return err
	}
	return p.Finish(before, Result{
		Calls: times.Count(), Elapsed: elapsed,
		P50: times.Quantile(0.50), P99: times.Quantile(0.99), Max: times.Max(),
	})
}

// callAll runs all callers at once for a span, each at least once.
func callAll(calls []func() error, span time.Duration) (*Histogram, time.Duration, error) {
	times, errs := make([]Histogram, len(calls)), make([]error, len(calls))
	var wg sync.WaitGroup
	start := time.Now()
	for i, call := range calls {
		wg.Go(func() { errs[i] = callFor(call, &times[i], start.Add(span)) })
	}
	wg.Wait()
	elapsed := time.Since(start)
	for i := range calls {
		if errs[i] != nil {
			return nil, 0, fmt.Errorf("caller %d after %d calls: %w", i, times[i].Count(), errs[i])
		}
		if i > 0 {
			times[0].Add(&times[i])
		}
	}
	return &times[0], elapsed, nil
}

func callFor(call func() error, times *Histogram, end time.Time) error {
	for last := time.Now(); ; {
		if err := call(); err != nil {
			return err
		}
		now := time.Now()
		times.Record(now.Sub(last))
		if last = now; now.After(end) {
			return nil
		}
	}
}
