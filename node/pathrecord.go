package node

import (
	"context"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// maxPathRecords is how many paths a member is remembered to have had. Those in
// use are always among them.
const maxPathRecords = 16

// pathRecord is what the node remembers of one path to a member, whether it has
// a link there or not. Guarded by roster.mu.
type pathRecord struct {
	addr    string // where it led last, as PathInfo says it
	used    time.Time
	dialing int
	in, out uint64 // bytes of the links that ended
	down    bool   // the last link broke, or the last attempt failed
	failure string // the latest
	failed  time.Time
	broke   time.Time // when a link broke or fell silent last
	breaks  int       // how often it did, unless forgiven between two
}

// record returns what is remembered of a path, made if need be. Callers hold
// roster.mu.
func (m *member) record(key pathKey, addr string) *pathRecord {
	p := m.paths[key]
	if p == nil {
		if len(m.paths) >= maxPathRecords {
			m.dropRecord()
		}
		p = &pathRecord{}
		m.paths[key] = p
	}
	p.addr, p.used = addr, time.Now()
	return p
}

// dropRecord forgets the path that was of no use for longest.
func (m *member) dropRecord() {
	var oldest *pathRecord
	var at pathKey
	for key, p := range m.paths {
		if m.sessions[key] == nil && p.dialing == 0 && (oldest == nil || p.used.Before(oldest.used)) {
			oldest, at = p, key
		}
	}
	if oldest != nil {
		delete(m.paths, at)
	}
}

// broken notes that a link of the path broke or fell silent.
func (p *pathRecord) broken(now time.Time, why string) {
	if p.forgiven(now) {
		p.breaks = 0
	}
	p.breaks, p.broke = p.breaks+1, now
	p.fail(now, why)
}

// forgiven tells whether nothing went wrong for long. A path that is tried in vain
// has not proved anything.
func (p *pathRecord) forgiven(now time.Time) bool { return now.Sub(p.failed) > shakyMost }

func (p *pathRecord) fail(now time.Time, why string) { p.down, p.failed, p.failure = true, now, why }

// watched is a way whose attempts are seen in the path table. Callers hold
// roster.mu.
func (r *roster) watched(m *member, w way) way {
	dial := w.dial
	w.dial = func(ctx context.Context, a *attempt) (*link.Link, error) {
		r.mu.Lock()
		p := m.record(w.key, w.label)
		p.dialing++
		r.mu.Unlock()
		l, err := dial(ctx, a)
		r.mu.Lock()
		defer r.mu.Unlock()
		p.dialing--
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // cancelled: another way answered
			p.fail(time.Now(), err.Error())
		}
		return l, err
	}
	return w
}

// closed adds a link that ended to the record of its path. Callers hold mu.
func (m *member) closed(s *session, parting bool, cause error) {
	now := time.Now()
	p := m.record(s.key, s.peer.Remote)
	in, out := s.link.Bytes()
	p.in, p.out = p.in+in, p.out+out
	switch why := blame(cause); {
	case why == "":
	case parting:
		p.fail(now, why)
	default:
		p.broken(now, why)
	}
}

// blame says what went wrong with a link that ended; "" if it was closed in order.
func blame(cause error) string {
	var bye *rpc.ByeError
	switch {
	case cause == nil, errors.Is(cause, rpc.ErrParted), errors.Is(cause, ErrShutdown):
		return ""
	case errors.As(cause, &bye):
		switch bye.Bye.Code {
		case byeNotNeeded, byeElectionLost, byeReplaced:
			return ""
		}
	}
	return cause.Error()
}
