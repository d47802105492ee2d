package discovery

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// maxAddrs is how many addresses of one node are kept.
const maxAddrs = 16

// heardKey is the key that opened an advert.
type heardKey struct {
	index int // in the ring
	id    [8]byte
}

// record is what is known about one instance. A record that is not live is
// kept only for its counter, so that old adverts cannot bring it back.
type record struct {
	Entry            // as last heard; Addrs unused
	keyID    [8]byte // key of the latest advert
	counter  uint64
	millis   int64 // the sender's clock in the latest advert
	live     bool
	addrs    []address
	until    time.Time // live: expires then; else: forgotten then
	due      time.Time // see dues
	place    int       // in dues
	answered answered
}

// address is an Addr with the counter of the round that proved it last.
type address struct {
	Addr
	counter uint64
}

// lacks tells whether the copy of the latest round by which addrs are proven
// was not seen yet.
func (r *record) lacks(addrs []Addr) bool {
	if !r.live {
		return false
	}
	for _, a := range addrs {
		i := r.find(a.AddrPort)
		if i < 0 || r.addrs[i].counter < r.counter {
			return true
		}
	}
	return false
}

func (r *record) find(at netip.AddrPort) int {
	return slices.IndexFunc(r.addrs, func(a address) bool { return a.AddrPort == at })
}

// on tells whether the record has one of the addresses.
func (r *record) on(addrs []Addr) bool {
	return slices.ContainsFunc(addrs, func(a Addr) bool { return r.find(a.AddrPort) >= 0 })
}

// dropOtherPorts removes the addresses with another port than the node's.
func (r *record) dropOtherPorts(port uint16) bool {
	n := len(r.addrs)
	r.addrs = slices.DeleteFunc(r.addrs, func(a address) bool { return a.AddrPort.Port() != port })
	return len(r.addrs) < n
}

// prove enters addresses or marks them as seen, and tells whether any is new.
func (r *record) prove(addrs []Addr, counter uint64) bool {
	added := false
	for _, a := range addrs {
		if i := r.find(a.AddrPort); i >= 0 {
			r.addrs[i] = address{a, counter}
			continue
		}
		if len(r.addrs) >= maxAddrs {
			oldest := slices.MinFunc(r.addrs, func(a, b address) int { return a.Seen.Compare(b.Seen) })
			r.addrs = slices.Delete(r.addrs, r.find(oldest.AddrPort), r.find(oldest.AddrPort)+1)
		}
		r.addrs = append(r.addrs, address{a, counter})
		added = true
	}
	return added
}

// snapshot returns the record's entry, the latest seen address first.
func (r *record) snapshot() Entry {
	e := copyEntry(r.Entry)
	e.Addrs = make([]Addr, len(r.addrs))
	for i, a := range r.addrs {
		e.Addrs[i] = a.Addr
	}
	slices.SortStableFunc(e.Addrs, func(a, b Addr) int {
		return cmp.Or(b.Seen.Compare(a.Seen), a.AddrPort.Compare(b.AddrPort))
	})
	return e
}
