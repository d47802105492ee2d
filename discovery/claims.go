package discovery

import (
	"slices"

	"github.com/fernmesh/fernmesh/crypto"
)

// claim is what two live records should not have in common: the node key, or,
// of nodes without one, the name.
type claim struct {
	key  crypto.NodeKey
	name string
}

// claims finds live records by what they claim, so that a new one is compared
// with its rivals and not with the whole table.
type claims map[claim][]*record

func (r *record) claim() claim {
	if r.HasKey {
		return claim{key: r.NodeKey}
	}
	return claim{name: r.Name}
}

func (c claims) enter(r *record) { c[r.claim()] = append(c[r.claim()], r) }

func (c claims) leave(r *record) {
	rest := slices.DeleteFunc(c[r.claim()], func(o *record) bool { return o == r })
	if len(rest) == 0 {
		delete(c, r.claim())
		return
	}
	c[r.claim()] = rest
}

// rival returns the live record of another instance that a new one cannot run
// beside: the same node key, or, without a key, the same name on the same
// address.
func (c claims) rival(a *advert, addrs []Addr) *record {
	if a.hasKey {
		if same := c[claim{key: a.nodeKey}]; len(same) > 0 {
			return same[0]
		}
	}
	for _, r := range c[claim{name: a.name}] {
		if r.on(addrs) {
			return r
		}
	}
	return nil
}
