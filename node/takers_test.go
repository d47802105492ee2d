package node

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Whoever comes, goes, changes its services and is busy: the member picked is
// one that LeastOutstanding would pick of all that take calls of the service.
func TestPickAgreesWithALookAtAllMembers(t *testing.T) {
	n, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey())})
	if err != nil {
		t.Fatal(err)
	}
	r := n.roster
	draw := rand.New(rand.NewPCG(3, 4))
	services := []string{"light", "heat", "door"}
	for revision := range uint64(20_000) {
		e := crowdEntry(draw.IntN(20))
		switch draw.IntN(10) {
		case 0:
			r.gone(e.Instance, "goodbye")
		case 1, 2:
			status := wire.Status{Revision: revision + 1, Draining: draw.IntN(10) == 0}
			for _, s := range services {
				if draw.IntN(2) == 0 {
					status.Services = append(status.Services, wire.Service{Name: s, Ready: draw.IntN(4) > 0})
				}
			}
			if e.Status = wire.AppendStatus(nil, status); draw.IntN(4) == 0 {
				e.Addrs = nil // behind a relay
			}
			r.seen(e)
		case 3:
			if m := r.find(e.Instance); m != nil {
				m.busy.Store(int64(draw.IntN(3)))
			}
		default:
			checkPick(t, r, services[draw.IntN(len(services))])
		}
	}
	for id := range r.members {
		r.gone(id, "goodbye")
	}
	if len(r.takers) > 0 {
		t.Errorf("with all members gone there are takers of %d services", len(r.takers))
	}
}

func checkPick(t *testing.T, r *roster, service string) {
	t.Helper()
	var all []*member
	for _, m := range r.members {
		if _, ready := m.status.State(service); ready {
			all = append(all, m)
		}
	}
	if slices.ContainsFunc(all, (*member).onLAN) {
		all = slices.DeleteFunc(all, func(m *member) bool { return !m.onLAN() })
	}
	var want Candidate
	if len(all) > 0 {
		candidates := make([]Candidate, len(all))
		for i, m := range all {
			candidates[i] = m.candidate()
		}
		want = candidates[LeastOutstanding(candidates)]
	}
	turns := map[*member]uint64{}
	for _, m := range all {
		turns[m] = m.turn
	}
	m, _ := r.choose(service, wish{}, nil)
	if m == nil {
		if len(all) > 0 {
			t.Fatalf("%d take calls of %s, and none was picked", len(all), service)
		}
		return
	}
	m.busy.Add(-1)
	turn, known := turns[m]
	if got := (Candidate{LAN: m.onLAN(), Busy: int(m.busy.Load()), Turn: turn}); !known || got.LAN != want.LAN || got.Busy != want.Busy || got.Turn != want.Turn {
		t.Fatalf("picked %+v (known: %v), want one like %+v", got, known, want)
	}
}

// Callers that know the same members and never called any begin with different
// ones.
func TestFirstPicksAreSpread(t *testing.T) {
	first := map[string]bool{}
	for range 50 {
		n, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey())})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			n.roster.seen(crowdEntry(i))
		}
		m, _ := n.roster.choose("light", wish{}, nil)
		first[m.name] = true
	}
	if len(first) < 4 { // of ten; by chance once in 10^16 times
		t.Errorf("50 callers began with %d members", len(first))
	}
}
