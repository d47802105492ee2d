package node

import (
	"container/list"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// takers has the members that take calls of one service, in the order in which
// their turn comes, so that a call looks at few of thousands. roster.mu guards it.
type takers struct {
	fresh []*member                 // never picked; in no order
	turns *list.List                // the others, as *member: whose turn was longest ago comes first
	place map[*member]*list.Element // in turns
}

func (o *takers) enter(m *member) {
	if m.turn == 0 {
		o.fresh = append(o.fresh, m)
		return
	}
	after := o.turns.Back()
	for after != nil && after.Value.(*member).turn > m.turn {
		after = after.Prev()
	}
	if after == nil {
		o.place[m] = o.turns.PushFront(m)
		return
	}
	o.place[m] = o.turns.InsertAfter(m, after)
}

// rotate puts a member behind all others, since its turn is to be the latest.
func (o *takers) rotate(m *member) {
	if at := o.place[m]; at != nil {
		o.turns.MoveToBack(at)
		return
	}
	o.leave(m)
	o.place[m] = o.turns.PushBack(m)
}

func (o *takers) leave(m *member) {
	if at := o.place[m]; at != nil {
		o.turns.Remove(at)
		delete(o.place, m)
		return
	}
	if i := slices.Index(o.fresh, m); i >= 0 {
		last := len(o.fresh) - 1
		o.fresh[i], o.fresh[last] = o.fresh[last], nil
		o.fresh = o.fresh[:last]
	}
}

// all goes through the members in turn. Those that were never picked come first,
// from any one on: callers that all know the same members are not to begin with
// the same one.
func (o *takers) all() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		if n := len(o.fresh); n > 0 {
			start := rand.IntN(n)
			for i := range n {
				if !yield(o.fresh[(start+i)%n]) {
					return
				}
			}
		}
		for at := o.turns.Front(); at != nil; at = at.Next() {
			if !yield(at.Value.(*member)) {
				return
			}
		}
	}
}

// among is all without those left out; nothing for nil.
func (o *takers) among(out omitted) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		if o == nil {
			return
		}
		for m := range o.all() {
			if !out.has(m) && !yield(m) {
				return
			}
		}
	}
}

// omitted are the members that a choice leaves out.
type omitted struct {
	tried map[*member]bool
	other *member   // if not nil
	at    time.Time // if not zero: those in doubt then
}

func (o omitted) has(m *member) bool {
	return o.tried[m] || m == o.other || !o.at.IsZero() && o.at.Before(m.doubted)
}

// offered brings the takers of services up to date with what a member says. Whoever
// changes its status calls it. Callers hold mu.
func (r *roster) offered(m *member) {
	var ready []string
	for _, s := range m.status.Services {
		if _, takes := m.status.State(s.Name); takes && !slices.Contains(ready, s.Name) {
			ready = append(ready, s.Name)
		}
	}
	r.list(m, ready)
}

// list enters a member under the services given and no others. Callers hold mu.
func (r *roster) list(m *member, services []string) {
	for _, name := range m.listed {
		if slices.Contains(services, name) {
			continue
		}
		o := r.takers[name]
		o.leave(m)
		if len(o.fresh)+o.turns.Len() == 0 {
			delete(r.takers, name)
		}
	}
	for _, name := range services {
		if slices.Contains(m.listed, name) {
			continue
		}
		o := r.takers[name]
		if o == nil {
			o = &takers{turns: list.New(), place: map[*member]*list.Element{}}
			r.takers[name] = o
		}
		o.enter(m)
	}
	m.listed = services
}

// tookTurn notes that it was a member's turn. Callers hold mu.
func (r *roster) tookTurn(m *member) {
	r.picks++
	for _, name := range m.listed {
		r.takers[name].rotate(m)
	}
	m.turn = r.picks
}
