package relays

import (
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// trips sends one message at a time and waits until it is back.
func (s *source) trips(p *contest.Process) error {
	if _, _, err := s.tripFor(p.Job.Warm); err != nil {
		return err
	}
	used, err := p.Begin()
	if err != nil {
		return err
	}
	relay, start := watch(p), time.Now()
	times, lost, err := s.tripFor(p.Job.Duration)
	if err != nil {
		return err
	}
	elapsed, extra := time.Since(start), relay.since()
	extra[lostOf] = float64(lost)
	return p.Finish(used, contest.Result{
		Calls: times.Count(), Elapsed: elapsed, Extra: extra,
		P50: times.Quantile(0.50), P99: times.Quantile(0.99), Max: times.Max(),
	})
}

func (s *source) tripFor(span time.Duration) (*contest.Histogram, int, error) {
	times, lost := new(contest.Histogram), 0
	for last, end := time.Now(), time.Now().Add(span); last.Before(end); {
		back, err := s.trip()
		if err != nil {
			return nil, 0, err
		}
		now := time.Now()
		if back {
			times.Record(now.Sub(last))
		} else {
			lost++
		}
		last = now
	}
	return times, lost, nil
}

func (s *source) trip() (back bool, err error) {
	number := s.next
	if err := s.post(opTrip); err != nil {
		return false, err
	}
	late := time.NewTimer(answerWait)
	defer late.Stop()
	for {
		select {
		case n := <-s.backs:
			if n == number {
				return true, nil
			}
		case <-late.C:
			return false, nil
		case err := <-s.ended:
			return false, ended(err)
		}
	}
}
