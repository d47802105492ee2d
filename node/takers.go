package node

import (
	"container/list"
	"iter"
	"math/rand/v2"
	"slices"
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
func (o *takers) among(out func(*member) bool) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		if o == nil {
			return
		}
		for m := range o.all() {
			if !out(m) && !yield(m) {
				return
			}
		}
	}
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
	for _, name := range m.listed {
		r.takers[name].leave(m)
	}
	r.picks++
	m.turn = r.picks
	for _, name := range m.listed {
		r.takers[name].enter(m)
	}
}
