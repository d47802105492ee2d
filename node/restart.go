package node

import (
	"context"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// A node that restarts comes back under its name and identity with another
// instance id. Adverts and presence only say so, and may be copies of old ones;
// HELLO proves it, and tells which instance is the younger one.

// ancestors are the other instances of a member's node: same name, same
// identity. Callers hold mu.
func (r *roster) ancestors(m *member, key crypto.NodeKey) []*member {
	return slices.DeleteFunc(slices.Clone(r.byName[m.name]), func(o *member) bool {
		return o == m || !o.hasKey || o.key != key
	})
}

// linkedAs tells whether a member that claims an identity may have come in
// place of one that is linked. Callers hold mu.
func (r *roster) linkedAs(m *member, key crypto.NodeKey) bool {
	return slices.ContainsFunc(r.ancestors(m, key), func(o *member) bool { return len(o.sessions) > 0 })
}

// inherit takes over that a member signed an advert under the name and identity of
// others. Those without a link are forgotten. One that is linked is passed over
// by new calls until HELLO has told which instance is younger; the member is
// then returned, to be linked. Callers hold mu.
func (r *roster) inherit(m *member) (heir *member) {
	for _, o := range r.ancestors(m, m.key) {
		if len(o.sessions) == 0 {
			r.forget(o, "restarted")
			continue
		}
		o.doubted = time.Now().Add(doubtFor)
		heir = m
	}
	return heir
}

// succeed takes over that a member proved its identity over a link: older
// instances of the node are no more, and their links end at once. False means
// that the member is itself an older one. Callers hold mu.
func (r *roster) succeed(m *member, parting map[*session]parted) bool {
	for _, o := range r.ancestors(m, m.key) {
		if !o.born.IsZero() && m.born.Before(o.born) {
			o.doubted = time.Time{}
			r.forget(m, "restarted")
			return false
		}
		for _, s := range o.live() {
			parting[s] = parted{code: byeReplaced, text: "the node restarted", gone: true}
		}
		r.forget(o, "restarted")
	}
	return true
}

// introduce makes a link to a member that seems to be a linked node restarted,
// so that calls which wait for the old instance learn at once what became of it.
func (n *Node) introduce(m *member) {
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, 2*n.cfg.Timers.Handshake)
		defer cancel()
		if _, err := n.reach(ctx, m, nil); err != nil {
			n.roster.mistaken(m)
		}
	})
}

// mistaken takes over that a member could not be linked which seemed to have
// come in place of another.
func (r *roster) mistaken(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.instance] != m {
		return
	}
	m.doubted = time.Now().Add(doubtFor)
	for _, o := range r.ancestors(m, m.key) {
		o.doubted = time.Time{}
	}
	r.wake()
}
