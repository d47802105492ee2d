package relays

import (
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// flood sends as fast as the line takes messages, and asks what arrived.
func (s *source) flood(p *contest.Process) error {
	base, err := s.arrived()
	if err != nil {
		return err
	}
	return s.span(p, base, s.sendUnpaced)
}

func (s *source) sendUnpaced(span time.Duration) (stalls int, err error) {
	for end := time.Now().Add(span); time.Now().Before(end); {
		if err := s.post(opFlood); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
