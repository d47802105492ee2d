package node

import (
	"bytes"
	"crypto/sha256"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// Candidate is one member that may take a call to "any(service)".
type Candidate struct {
	Name string
	// LAN tells that it can be reached without a relay.
	LAN bool
	// RTT is the round-trip time of the link that the call would take; 0 means
	// that there is no link, or that it was not measured yet.
	RTT time.Duration
	// Busy is how many calls of this node are under way there.
	Busy int
	// Turn rises each time a member is picked; 0 means never so far.
	Turn uint64
}

// Picker picks one of the candidates for a call, by its index. There is at least
// one, and they are in no order. An index out of range means that none will do. It
// runs under a lock of the node: it must be fast and call no method of the node.
type Picker func(candidates []Candidate) int

// Random picks any candidate, each as likely as the others.
func Random(c []Candidate) int { return rand.IntN(len(c)) }

// RoundRobin picks the candidate whose last turn is longest ago.
func RoundRobin(c []Candidate) int { return least(c, func(Candidate) int64 { return 0 }) }

// LeastOutstanding picks the candidate with the fewest calls of this node under
// way, in turn among equals. It is what counts without [Pick].
func LeastOutstanding(c []Candidate) int {
	return least(c, func(c Candidate) int64 { return int64(c.Busy) })
}

// LowestLatency picks the candidate with the shortest round-trip time; those
// not measured yet come first, and are measured then.
func LowestLatency(c []Candidate) int {
	return least(c, func(c Candidate) int64 { return int64(c.RTT) })
}

// least is the index of the lowest cost; the last turn decides among equals.
func least(c []Candidate, cost func(Candidate) int64) int {
	best := 0
	for i := range c {
		if d := cost(c[i]) - cost(c[best]); d < 0 || d == 0 && c[i].Turn < c[best].Turn {
			best = i
		}
	}
	return best
}

// wish is what a call asks of the choice of its member.
type wish struct {
	pick   Picker
	sticky string
	keyed  bool // sticky was asked for
}

// pick chooses, among the members that offer a service and are not left out, the
// one for a call, and counts the call as under way there; nil if there is none.
// Members on the LAN go before those behind a relay, except for a sticky key,
// which has the same member for callers everywhere. Callers hold mu.
func (r *roster) pick(service string, w wish, out omitted) *member {
	members := r.takers[service].among(out)
	var m *member
	switch {
	case w.keyed:
		m = sticky(members, w.sticky)
	case w.pick == nil:
		m = leastBusy(members)
	default:
		m = chosen(members, w.pick)
	}
	if m != nil {
		r.tookTurn(m)
		m.busy.Add(1)
	}
	return m
}

// sticky picks the member with the highest hash of key and name: the same
// one for the same key wherever it is asked, while that one is there, and with
// little change for other keys when members come and go.
func sticky(members iter.Seq[*member], key string) (best *member) {
	var top [sha256.Size]byte
	text := append([]byte(key), 0)
	for m := range members {
		text = append(text[:len(key)+1], m.name...)
		if sum := sha256.Sum256(text); best == nil || bytes.Compare(sum[:], top[:]) > 0 {
			best, top = m, sum
		}
	}
	return best
}

// leastBusy is LeastOutstanding without candidates: members come in turn, so
// that the first idle one on the LAN is the one, and few are looked at.
func leastBusy(members iter.Seq[*member]) (best *member) {
	var lan bool
	var least int64
	for m := range members {
		near, busy := m.onLAN(), m.busy.Load()
		if near && busy == 0 {
			return m
		}
		if best == nil || near && !lan || near == lan && busy < least {
			best, lan, least = m, near, busy
		}
	}
	return best
}

// chosen has a Picker pick.
func chosen(from iter.Seq[*member], picker Picker) *member {
	members := slices.Collect(from)
	if slices.ContainsFunc(members, (*member).onLAN) {
		members = slices.DeleteFunc(members, func(m *member) bool { return !m.onLAN() })
	}
	if len(members) == 0 {
		return nil
	}
	candidates := make([]Candidate, len(members))
	for i, m := range members {
		candidates[i] = m.candidate()
	}
	i := picker(candidates)
	if i < 0 || i >= len(members) {
		return nil
	}
	return members[i]
}

func (m *member) candidate() Candidate {
	c := Candidate{Name: m.name, LAN: m.onLAN(), Busy: int(m.busy.Load()), Turn: m.turn}
	if s := m.pick(nil); s != nil {
		c.RTT = s.conn.RTT()
	}
	return c
}

// onLAN tells whether the member has a link without a relay, or an address for
// one. Callers hold roster.mu.
func (m *member) onLAN() bool {
	s := m.sessions[lanPath]
	return s != nil && !s.parting.Load() || len(m.addrs) > 0
}

// Pick says how a call to "any(service)" chooses its member: [LeastOutstanding]
// (the default), [RoundRobin], [Random], [LowestLatency], or a function of
// one's own.
func Pick(p Picker) CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.wish.pick = p; return o }}
}

// Sticky sends calls to "any(service)" with the same key to the same member
// while it is there and ready, whichever node they come from. It goes before
// [Pick].
func Sticky(key string) CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.wish.sticky, o.wish.keyed = key, true; return o }}
}
