package discovery

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/sockets"
)

// arrival is how a token came here.
type arrival struct {
	source string            // SourceUDP or SourceMDNS
	from   netip.AddrPort    // UDP source; none with mDNS
	on     sockets.Interface // receiving interface; zero if unknown
	direct bool              // on a sending socket, which strangers do not know, not on the shared port
}

// hear judges a token and enters what it says. It tells whether the sender is
// to be answered.
func (s *Service) hear(token []byte, ar arrival) (answer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if v := recover(); v != nil { // no datagram may end discovery
			_ = s.panicked(ar.source, v)
			s.refuse(CauseForm)
			answer = false
		}
	}()
	s.stats.Received++
	now := time.Now()
	cause, ok := s.screen(token, ar, now)
	if !ok {
		s.refuse(cause)
		return false
	}
	plain, index, ok := s.ring.open(token)
	if !ok {
		s.refuse(CauseToken)
		return false
	}
	a, err := parseAdvert(plain)
	if err != nil {
		s.refuse(CauseForm)
		return false
	}
	if cause, ok := s.consider(&a, ar, index, now); !ok {
		s.refuse(cause)
		return false
	}
	s.stats.Accepted++
	return a.kind == kindQuestion && s.owesAnswer(&a, len(token), ar, now)
}

func (s *Service) refuse(c Cause) { s.refused[c]++ }

// screen does what costs nothing, before all cryptography.
func (s *Service) screen(token []byte, ar arrival, now time.Time) (Cause, bool) {
	switch {
	case len(token) < minToken || len(token) > wire.MaxAdvert:
		return CauseSize, false
	case !bytes.HasPrefix(token, []byte("gAAAA")): // version 0x80, a time before the year 2106
		return CauseShape, false
	case ar.source == SourceMDNS: // bounded by its query
		return 0, true
	}
	l := s.heard
	if ar.direct {
		l = s.answered
	}
	return l.allow(ar.from.Addr(), now)
}

// consider makes the checks that need the contents, the costly signature
// last, and enters the advert.
func (s *Service) consider(a *advert, ar arrival, key int, now time.Time) (Cause, bool) {
	if a.instance == s.self.Instance {
		return CauseOwn, false
	}
	if off := a.sealedAt().Sub(now.Round(0)); off.Abs() > s.cfg.MaxSkew {
		s.noteSkew(a, ar, off, now)
		return CauseAge, false
	}
	addrs := proven(a, ar, now)
	if cause, ok := s.table.judge(a, addrs); !ok {
		return cause, false
	}
	if !ar.honest(a) && !s.cfg.RelaxSource {
		return CauseSource, false
	}
	if !a.verify() {
		return CauseSignature, false
	}
	return s.table.accept(a, addrs, heardKey{key, s.ring.keys[key].KeyID()}, now)
}

// honest tells whether the UDP source is one of the sender's own addresses.
// mDNS knows no source; its tokens may only say "here I am" and are believed
// for their own addresses alone.
func (ar arrival) honest(a *advert) bool {
	if ar.source == SourceMDNS {
		return a.kind == kindHere
	}
	return slices.Contains(a.ips, ar.from.Addr().WithZone(""))
}

// proven returns the addresses at which an advert says that its sender can be
// dialled: the UDP source, or with mDNS the own addresses that the receiving
// interface can reach, all of them if there is none of these.
func proven(a *advert, ar arrival, now time.Time) []Addr {
	if ar.source != SourceMDNS {
		return []Addr{ar.addr(ar.from.Addr(), a.port, now)}
	}
	var near, far []Addr
	for _, ip := range a.ips {
		switch {
		case ip.IsLinkLocalUnicast() && ip.Is6():
			near = append(near, ar.addr(ip.WithZone(ar.on.Name), a.port, now))
		case slices.ContainsFunc(ar.on.Prefixes, func(p netip.Prefix) bool { return p.Contains(ip) }):
			near = append(near, ar.addr(ip, a.port, now))
		case !ip.IsLoopback():
			far = append(far, ar.addr(ip, a.port, now))
		}
	}
	if near != nil {
		return near
	}
	return far
}

func (ar arrival) addr(ip netip.Addr, port uint16, now time.Time) Addr {
	return Addr{AddrPort: netip.AddrPortFrom(ip, port), Source: ar.source, Interface: ar.on.Name, Seen: now}
}

// owesAnswer decides whether an accepted question is answered: it is, by a
// named node, if it is longer than the answer will be, comes from an address
// of its sender, and has a counter that was not answered yet, once per second
// and asker.
func (s *Service) owesAnswer(a *advert, size int, ar arrival, now time.Time) bool {
	if s.self.Name == "" || ar.source != SourceUDP {
		return false
	}
	if size < minQuestion || !ar.honest(a) || !s.table.mayAnswer(a, now) {
		s.refuse(CauseAnswer)
		return false
	}
	return true
}
