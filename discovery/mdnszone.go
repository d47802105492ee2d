//go:build !nomdns

package discovery

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/sockets"
	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
)

const (
	mdnsDomain  = "local."
	mdnsTypes   = "_services._dns-sd._udp.local."
	answerEvery = time.Second // RFC 6762, section 6: a record at most once a second
	flushBit    = 1 << 15     // RFC 6762, section 10.2: the record replaces cached ones
	maxPiece    = 255         // bytes of one string in a TXT record
)

// zone answers questions about our node on one interface. The library asks it
// in goroutines of its own and would send what it returns to the address that
// the question claims to be from, whoever that is. So it returns nothing, and
// multicasts the answer on the link, at most once a second.
type zone struct {
	s   *Service
	ifc sockets.Interface
	air *air

	mu       sync.Mutex
	answered time.Time
}

// Records implements mdns.Zone.
func (z *zone) Records(q dns.Question) []dns.RR {
	defer func() {
		if v := recover(); v != nil { // the library's goroutine has no recover of its own
			_ = z.s.panicked(SourceMDNS, v)
		}
	}()
	now := time.Now()
	if z.concerns(q.Name, now) && z.take(now) {
		z.air.send(z.answer(now, strings.EqualFold(q.Name, mdnsTypes)))
	}
	return nil
}

// concerns tells whether a name is our service's or our node's.
func (z *zone) concerns(name string, now time.Time) bool {
	label := z.s.mdnsLabel(now)
	return slices.ContainsFunc([]string{
		mdnsTypes, mdnsService + "." + mdnsDomain,
		label + "." + mdnsService + "." + mdnsDomain, label + "." + mdnsDomain,
	}, func(ours string) bool { return strings.EqualFold(name, ours) })
}

// take tells whether an answer is due again, and if so counts it.
func (z *zone) take(now time.Time) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.answered.IsZero() && now.Sub(z.answered) < answerEvery {
		return false
	}
	z.answered = now
	return true
}

// answer makes the records of our node, with a fresh token: where the service
// is found, and with types also that there is such a service.
func (z *zone) answer(now time.Time, types bool) []dns.RR {
	ips := ownIPs(z.ifc, netip.Addr{})
	token := z.s.seal(kindHere, z.s.nextCounter(), ips)
	service := mdnsService + "." + mdnsDomain
	m, err := z.service(z.s.mdnsLabel(now), ips, token)
	if err != nil {
		return nil
	}
	rrs := m.Records(dns.Question{Name: service, Qtype: dns.TypePTR})
	for _, rr := range rrs[min(1, len(rrs)):] { // all but the shared PTR
		rr.Header().Class |= flushBit
	}
	if types {
		rrs = append(rrs, m.Records(dns.Question{Name: mdnsTypes, Qtype: dns.TypePTR})...)
	}
	return rrs
}

func (z *zone) service(label string, ips []netip.Addr, token []byte) (*mdns.MDNSService, error) {
	addrs := make([]net.IP, len(ips))
	for i, ip := range ips {
		addrs[i] = ip.AsSlice()
	}
	port := int(z.s.present().Port)
	return mdns.NewMDNSService(label, mdnsService, mdnsDomain, label+"."+mdnsDomain, port, addrs, splitText(token))
}

// goodbye tells caches to forget our node (RFC 6762, section 10.1).
func (z *zone) goodbye() {
	rrs := z.answer(time.Now(), false)
	for _, rr := range rrs {
		rr.Header().Ttl = 0
	}
	z.air.send(rrs)
}

// mdnsLabel returns the label under which our node stands in mDNS now.
func (s *Service) mdnsLabel(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	window := uint64(now.Unix()) / uint64(crypto.MDNSWindow/time.Second)
	return crypto.MDNSLabel(s.ring.keys[0].MDNSLabelKey(), window, s.self.Instance)
}

// splitText cuts a token into the strings of a TXT record.
func splitText(token []byte) []string {
	var pieces []string
	for piece := range slices.Chunk(token, maxPiece) {
		pieces = append(pieces, string(piece))
	}
	return pieces
}

// joinText puts a token together; false if it cannot be one.
func joinText(pieces []string) ([]byte, bool) {
	var n int
	for _, p := range pieces {
		n += len(p)
	}
	if n < minToken || n > wire.MaxAdvert {
		return nil, false
	}
	return []byte(strings.Join(pieces, "")), true
}
