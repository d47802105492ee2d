package relayserver

import (
	"slices"

	"github.com/fernmesh/fernmesh/relay"
)

// presenceBatch is about how many bytes of presence leave at a time.
const presenceBatch = 32 << 10

// presence is what one client is still to be told of the others. It is bounded
// by the members the room may have, however often they come and go: of each only
// the outcome is kept.
type presence struct {
	changes map[relay.Addr]*change
	order   []relay.Addr
}

// change is what to tell of one member: DOWN, UP and CASTED, in this order.
type change struct {
	down, up bool
	after    uint64 // DOWN leaves when the queue's records up to here have left
	token    []byte // shared by all members, never changed
}

func (p *presence) of(a relay.Addr) *change {
	c := p.changes[a]
	if c == nil {
		if p.changes == nil {
			p.changes = map[relay.Addr]*change{}
		}
		c = &change{}
		p.changes[a] = c
		p.order = append(p.order, a)
	}
	return c
}

func (p *presence) up(a relay.Addr)                 { p.of(a).up = true }
func (p *presence) cast(a relay.Addr, token []byte) { p.of(a).token = token }

// down notes that a member left; of one that the client was never told of,
// nothing is left to tell.
func (p *presence) down(a relay.Addr, after uint64) {
	c := p.of(a)
	c.token = nil
	if c.up {
		c.up = false
		if !c.down {
			delete(p.changes, a)
			p.order = slices.DeleteFunc(p.order, func(b relay.Addr) bool { return b == a })
		}
		return
	}
	c.down, c.after = true, after
}

// take appends the frames that may leave when the records up to took have left.
func (p *presence) take(dst []byte, took uint64) []byte {
	start, kept := len(dst), p.order[:0]
	for _, a := range p.order {
		c := p.changes[a]
		if len(dst)-start > presenceBatch || c.down && c.after > took {
			kept = append(kept, a)
			continue
		}
		delete(p.changes, a)
		dst = c.append(dst, a)
	}
	if p.order = kept; len(kept) == 0 {
		*p = presence{}
	}
	return dst
}

func (c *change) append(dst []byte, a relay.Addr) []byte {
	if c.down {
		dst = relay.AppendDown(dst, a)
	}
	if c.up {
		dst = relay.AppendUp(dst, a)
	}
	if c.token != nil {
		dst = relay.AppendCasted(dst, a, c.token)
	}
	return dst
}
