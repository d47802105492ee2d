package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/presence"
	"github.com/fernmesh/fernmesh/relay"
)

// seat is where a member sits: its address on one line.
type seat struct {
	line *line
	addr relay.Addr
}

// openLines connects to the configured relays, once for each usable key: a
// room belongs to one key.
func (n *Node) openLines() {
	for _, address := range n.relays {
		n.openLine(address, false)
	}
}

func (n *Node) openLine(address relay.Address, learned bool) {
	for _, schedule := range n.keyring().usable {
		if n.hasLine(address, schedule) {
			continue
		}
		ctx, cancel := context.WithCancel(n.ctx)
		l := &line{
			node: n, address: address, schedule: schedule, learned: learned, stop: cancel,
			guard: newAdmission(n.cfg.Limits, n.count), first: make(chan struct{}),
		}
		n.mu.Lock()
		n.lines = append(n.lines, l)
		n.mu.Unlock()
		if !n.spawn(func() { l.keep(ctx) }) {
			cancel()
		}
	}
}

func (n *Node) hasLine(address relay.Address, schedule *crypto.Schedule) bool {
	return slices.ContainsFunc(n.allLines(), func(l *line) bool {
		return l.address == address && l.schedule.KeyID() == schedule.KeyID()
	})
}

func (n *Node) allLines() []*line {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*line(nil), n.lines...)
}

// relaysSettled returns when the first attempt at each configured relay has
// ended, well or badly, or the context has.
func (n *Node) relaysSettled(ctx context.Context) {
	for _, l := range n.allLines() {
		if l.learned {
			continue
		}
		select {
		case <-l.first:
		case <-ctx.Done():
			return
		case <-n.closing:
			return
		}
	}
}

// announceEverywhere casts the presence anew, after a change of name.
func (n *Node) announceEverywhere() {
	for _, l := range n.allLines() {
		l.announce()
	}
}

// moveAway parts from every session on a path, so that calls take another.
func (n *Node) moveAway(key pathKey) {
	for _, s := range n.roster.all() {
		if s.key == key {
			n.part(s, parted{code: byeNotNeeded, text: "the relay restarts"})
		}
	}
}

// relayWays lists the relays through which the member can be reached, those of
// the active key first, then the one with the shortest round trip. Callers hold
// roster.mu.
func (m *member) relayWays() []way {
	type option struct {
		way
		active bool
		rtt    time.Duration
	}
	var options []option
	for s := range m.seats {
		if client := s.line.live(); client != nil {
			w := way{"relay " + s.line.address.Authority, relayPath(client), s.dial}
			options = append(options, option{w, s.line.active(), client.RTT()})
		}
	}
	slices.SortFunc(options, func(a, b option) int {
		if a.active != b.active {
			if a.active {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.rtt, b.rtt)
	})
	ways := make([]way, len(options))
	for i, o := range options {
		ways[i] = o.way
	}
	return ways
}

// active tells whether the line is in the room of the active key.
func (l *line) active() bool {
	return l.schedule.KeyID() == l.node.keyring().usable[0].KeyID()
}

// dial opens a session to the seat and makes a link over it, under the key of
// its room.
func (s seat) dial(ctx context.Context, a *attempt) (*link.Link, error) {
	client := s.line.live()
	if client == nil {
		return nil, relay.ErrClosed
	}
	ch, err := client.Open(s.addr)
	if err != nil {
		return nil, err
	}
	return s.line.node.greet(ctx, a, ch, &ring{usable: []*crypto.Schedule{s.line.schedule}})
}

// seated takes over that a relay shows a member, which is returned if it may have
// come in place of one that is still linked.
func (r *roster) seated(p presence.Presence, l *line, addr relay.Addr) (heir *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.ensure(p.Instance, p.Name, shownKey(p.Key, p.HasKey), "seen at relay "+l.address.Authority)
	if m == nil {
		return nil
	}
	m.seats[seat{l, addr}] = struct{}{}
	m.lastSeen, m.doubted = time.Now(), time.Time{}
	m.rumour(p.Status)
	r.offered(m)
	if p.HasKey && !m.hasKey && r.linkedAs(m, p.Key) {
		heir = m
	}
	r.wake()
	return heir
}

// unseated takes over that a relay lost a member.
func (r *roster) unseated(id crypto.InstanceID, l *line, addr relay.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		return
	}
	delete(m.seats, seat{l, addr})
	if !m.here() {
		r.forget(m, "left relay "+l.address.Authority)
	}
	r.wake()
}

// heard takes messages that are not of calls.
func (n *Node) heard(s *session, m wire.Message) error {
	switch m.Type {
	case wire.TypeGossip:
		return n.heardGossip(m)
	case wire.TypeStatus:
		return n.roster.heardStatus(s, m.Body)
	}
	return nil
}

func (n *Node) heardGossip(m wire.Message) error {
	relays, err := wire.ParseGossip(m.Body)
	if err != nil {
		return err
	}
	for _, r := range relays {
		n.learnOne(r.Address, r.ID)
	}
	return nil
}
