package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// How steady the choice of a path is. A path that carries calls and works is
// left for a better one at most once per switchHold; a path that broke lately
// has to hold for shakyFor first, twice as long for each further break, at most
// shakyMost, and nothing is held against it after shakyMost without a break or a
// failed attempt. A path that fails is left at once.
const (
	switchHold = 10 * time.Second
	shakyFor   = 4 * time.Second
	shakyMost  = time.Minute
)

// fit tells whether new calls may take the session. Callers hold roster.mu.
func (s *session) fit() bool { return !s.parting.Load() && !s.isSilent() }

// isSilent tells whether the peer was found silent on the session and is so
// still. Callers hold roster.mu.
func (s *session) isSilent() bool {
	return !s.silent.IsZero() && !s.link.LastReceived().After(s.silent)
}

// pick chooses the session for a new call: that of the path that was chosen
// (prefer), or the best of the others when it is avoid or not fit.
func (m *member) pick(avoid *session) *session {
	if s := m.sessions[m.path]; s != nil && s != avoid && s.fit() {
		return s
	}
	return m.among(func(s *session) bool { return s != avoid })
}

// pickBeside is pick among the sessions on another path than s.
func (m *member) pickBeside(s *session) *session {
	return m.among(func(o *session) bool { return o.key != s.key })
}

// among returns the best session of those that may be taken: steady ones before
// those that broke lately, and silent ones last.
func (m *member) among(may func(*session) bool) (best *session) {
	now := time.Now()
	rank := func(s *session) int {
		switch {
		case s.isSilent():
			return 2
		case m.unsteady(s, now) > 0:
			return 1
		}
		return 0
	}
	for _, s := range m.sessions {
		if s.parting.Load() || !may(s) {
			continue
		}
		if best == nil || cmp.Or(rank(s)-rank(best), s.compare(best)) < 0 {
			best = s
		}
	}
	return best
}

// compare orders sessions by their paths: the LAN, then the relays by their round
// trip, those not measured last.
func (s *session) compare(o *session) int {
	if s.key.transport != o.key.transport {
		if s.key.transport == crypto.TransportLAN {
			return -1
		}
		return 1
	}
	a, b := s.conn.RTT(), o.conn.RTT()
	if (a == 0) != (b == 0) {
		if b == 0 {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a, b), strings.Compare(s.key.via, o.key.via))
}

// decide returns the session that calls should take from now on, and why; nil
// without a session. Callers hold roster.mu.
func (m *member) decide(now time.Time) (*session, string) {
	current := m.sessions[m.path]
	if current == nil || !current.fit() {
		s := m.among(func(*session) bool { return true })
		return s, m.merit(s)
	}
	held := ""
	for _, s := range m.fitByRank() {
		if s == current {
			break
		}
		why := m.holds(current, s, now)
		if why == "" {
			return s, m.merit(s)
		}
		if held == "" {
			held = why
		}
	}
	if held != "" {
		return current, held
	}
	return current, m.merit(current)
}

// fitByRank returns the fit sessions, best first.
func (m *member) fitByRank() []*session {
	all := slices.DeleteFunc(m.live(), func(s *session) bool { return !s.fit() })
	slices.SortFunc(all, (*session).compare)
	return all
}

// holds says why a better session is not taken yet instead of the current one;
// "" if it should be.
func (m *member) holds(current, better *session, now time.Time) string {
	if left := m.unsteady(better, now); left > 0 {
		return fmt.Sprintf("held: %s broke lately and must hold for another %v", pathName(better.key), left.Round(time.Second))
	}
	if current.key.transport == better.key.transport && !clearlyFaster(better.conn.RTT(), current.conn.RTT()) {
		return "held: the other relay is not clearly faster"
	}
	if !m.switched.IsZero() && now.Sub(m.switched) < switchHold {
		return fmt.Sprintf("held: switched less than %v ago", switchHold)
	}
	return ""
}

// clearlyFaster tells whether one round trip is so much shorter than another
// that it is not by chance: by a fifth and a millisecond.
func clearlyFaster(a, b time.Duration) bool {
	return a != 0 && (b == 0 || a < b-b/5 && a < b-time.Millisecond)
}

func pathName(k pathKey) string {
	if k.transport == crypto.TransportLAN {
		return "the LAN"
	}
	return "the relay"
}

// unsteady returns how much longer a session has to hold before its path is
// taken again; 0 when nothing is held against it.
func (m *member) unsteady(s *session, now time.Time) time.Duration {
	r := m.paths[s.key]
	if r == nil || r.breaks == 0 || r.forgiven(now) {
		return 0
	}
	since := r.broke
	if s.created.After(since) {
		since = s.created
	}
	need := min(shakyFor<<min(r.breaks-1, 8), shakyMost)
	return max(need-now.Sub(since), 0)
}

// merit says what speaks for a session.
func (m *member) merit(s *session) string {
	if s == nil {
		return ""
	}
	relays, lan, silent := 0, false, false
	for _, o := range m.sessions {
		switch {
		case o.parting.Load() || o == s:
		case o.isSilent():
			silent = true
		case o.key == lanPath:
			lan = true
		default:
			relays++
		}
	}
	switch {
	case silent && !lan && relays == 0:
		return "the other path is silent"
	case !lan && relays == 0:
		return "only path"
	case s.key == lanPath:
		return "LAN before relays"
	case lan:
		return "the LAN broke lately"
	}
	return "lowest round trip"
}

// prefer settles which path calls to a member take from now on, and tells if it
// is another than before. Callers hold mu.
func (r *roster) prefer(m *member, why string) {
	now := time.Now()
	s, merit := m.decide(now)
	m.why = merit
	if s == nil || s.key == m.path {
		return
	}
	first := m.path == pathKey{}
	m.path = s.key
	if first {
		return
	}
	m.switched = now
	r.count.PathSwitches.Add(1)
	if why == "" {
		why = merit
	}
	r.events.emit(Event{
		Kind: PathChanged, Node: m.name, Key: shownKey(m.key, m.hasKey), Path: s.info(), Reason: why, Detail: s.peer.Remote,
	})
}

// displaced says why a path that has just come up may be preferred.
func (m *member) displaced() string {
	if before := m.sessions[m.path]; before != nil && before.fit() {
		return "a better one came up"
	}
	return "the one before has ended"
}

// reconsider is prefer after a session began to part.
func (r *roster) reconsider(s *session, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[s.peer.Hello.Instance]; m != nil {
		r.prefer(m, why)
	}
}

// suspect takes over that a peer does not answer on a session: calls take
// another path as soon as there is one.
func (r *roster) suspect(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[s.peer.Hello.Instance]
	if m == nil || m.sessions[s.key] != s || s.isSilent() {
		return
	}
	now := time.Now()
	s.silent = now
	m.record(s.key, s.peer.Remote).broken(now, "no answer")
	r.prefer(m, "the other is silent")
}
