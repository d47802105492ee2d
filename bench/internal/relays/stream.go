package relays

import (
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// stream sends with a window: never more messages in flight than it allows.
// What arrived counts. When the sink has said nothing for a while, what is in
// flight is taken for lost, and the stream goes on.
func (s *source) stream(p *contest.Process) error {
	if _, err := s.sendWindowed(p.Job.Warm); err != nil {
		return err
	}
	base, err := s.arrived()
	if err != nil {
		return err
	}
	return s.span(p, base, s.sendWindowed)
}

// span measures what send gets through, from its first message to the sink's
// answer after the last.
func (s *source) span(p *contest.Process, base uint64, send func(time.Duration) (stalls int, err error)) error {
	used, err := p.Begin()
	if err != nil {
		return err
	}
	relay, start, first := watch(p), time.Now(), s.next
	stalls, err := send(p.Job.Duration)
	if err != nil {
		return err
	}
	count, err := s.arrived()
	if err != nil {
		return err
	}
	elapsed, sent := time.Since(start), s.next-first
	extra := relay.since()
	extra[sentOf], extra[lostOf], extra[stallsOf] = float64(sent), float64(sent-(count-base)), float64(stalls)
	return p.Finish(used, contest.Result{Calls: int64(count - base), Elapsed: elapsed, Extra: extra})
}

// Keys of a result's extra figures.
const (
	sentOf   = "sent"
	lostOf   = "lost"
	stallsOf = "stalls" // how often the sink fell silent with a full window
)

func (s *source) sendWindowed(span time.Duration) (stalls int, err error) {
	timer := time.NewTimer(answerWait)
	defer timer.Stop()
	for end := time.Now().Add(span); time.Now().Before(end); {
		for s.next-1-s.acked.Load() >= s.window {
			timer.Reset(answerWait)
			select {
			case <-s.wake:
			case <-timer.C:
				stalls++
				s.acked.Store(s.next - 1)
			case err := <-s.ended:
				return stalls, ended(err)
			}
		}
		if err := s.post(opData); err != nil {
			return stalls, err
		}
	}
	return stalls, nil
}
