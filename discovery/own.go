package discovery

import (
	"net/netip"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// present returns what the service says about its node now.
func (s *Service) present() Self {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.self
}

// observes tells whether the service is an observer's.
func (s *Service) observes() bool { return s.present().Name == "" }

func (s *Service) nextCounter() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counter++
	return s.counter
}

func (s *Service) beginRound() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Rounds++
	s.counter++
	return s.counter
}

// seal returns the token of an advert of our own.
func (s *Service) seal(k kind, counter uint64, ips []netip.Addr) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := advert{
		kind: k, instance: s.self.Instance, counter: counter, name: s.self.Name,
		port: s.self.Port, ips: ips, features: s.self.Features, status: s.self.Status,
	}
	token := s.ring.seal(&a, s.self.Identity, time.Now())
	if a.status != nil && len(token) > a.room() {
		a.status = inBrief(a.status)
		token = s.ring.seal(&a, s.self.Identity, time.Now())
	}
	return token
}

// room is how long the token of the advert may be. What answers a question is
// shorter than the question.
func (a *advert) room() int {
	if a.kind == kindQuestion {
		return wire.MaxAdvert
	}
	return maxAnswer
}

// inBrief is the status without what takes room.
func inBrief(status []byte) []byte {
	s, err := wire.ParseStatus(status)
	if err != nil {
		return nil // not reached: SetSelf checked it
	}
	return wire.AppendStatus(nil, s.InBrief())
}

func (s *Service) sent(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Sent += uint64(n)
}

func (s *Service) answeredOne() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Answers++
}

func (s *Service) unanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(CauseAnswer)
}

// pressed tells whether adverts were refused for their number in all since
// the last call. Then steady rounds ask, for answers come on sockets that the
// flood does not know.
func (s *Service) pressed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	pressed := s.refused[CauseTotalRate] > s.pressure
	s.pressure = s.refused[CauseTotalRate]
	return pressed
}
