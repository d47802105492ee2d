package discovery

import (
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

const (
	skewEvery = time.Minute // between two reports about one peer
	skewPeers = 256         // peers whose report is remembered
)

// skewLog remembers who was reported when.
type skewLog map[crypto.InstanceID]time.Time

// noteSkew reports a peer whose clock is off, once a minute and peer. A token
// from a foreign source is an old one played back rather than a slow clock.
func (s *Service) noteSkew(a *advert, ar arrival, off time.Duration, now time.Time) {
	if !ar.honest(a) || a.observer() {
		return
	}
	if last, ok := s.skewed[a.instance]; ok && now.Sub(last) < skewEvery {
		return
	}
	if len(s.skewed) >= skewPeers {
		s.forgetSkew(now)
	}
	if len(s.skewed) >= skewPeers {
		return
	}
	s.skewed[a.instance] = now
	s.events.report(Report{Kind: ClockSkew, Source: ar.source, Part: ar.on.Name, Name: a.name, Offset: off})
}

func (s *Service) forgetSkew(now time.Time) {
	for id, last := range s.skewed {
		if now.Sub(last) >= skewEvery {
			delete(s.skewed, id)
		}
	}
}
