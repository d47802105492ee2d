package node

import (
	"context"
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
	for _, schedule := range n.schedules {
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
			n.part(s, parted{byeDraining, "the relay restarts"})
		}
	}
}

// relayWays lists the relays through which the member can be reached, the one
// with the shortest round trip first. Callers hold roster.mu.
func (m *member) relayWays() []way {
	var ways []way
	var rtts []time.Duration
	for s := range m.seats {
		client := s.line.live()
		if client == nil {
			continue
		}
		w := way{"relay " + s.line.address.Authority, relayPath(client), s.dial}
		i := len(ways)
		for i > 0 && rtts[i-1] > client.RTT() {
			i--
		}
		ways = append(ways[:i], append([]way{w}, ways[i:]...)...)
		rtts = append(rtts[:i], append([]time.Duration{client.RTT()}, rtts[i:]...)...)
	}
	return ways
}

// dial opens a session to the seat and makes a link over it, under the key of
// its room.
func (s seat) dial(ctx context.Context, name string) (*link.Link, error) {
	n := s.line.node
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timers.Handshake)
	defer cancel()
	client := s.line.live()
	if client == nil {
		return nil, relay.ErrClosed
	}
	ch, err := client.Open(s.addr)
	if err != nil {
		return nil, err
	}
	return link.Dial(ctx, ch, n.linkConfig([]*crypto.Schedule{s.line.schedule}), name)
}

// seated takes over that a relay shows a member.
func (r *roster) seated(p presence.Presence, l *line, addr relay.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.ensure(p.Instance, p.Name)
	if m == nil {
		return
	}
	m.seats[seat{l, addr}] = struct{}{}
	m.lastSeen, m.doubted = time.Now(), time.Time{}
	r.wake()
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
		r.forget(m, "left the relay")
	}
	r.wake()
}

// heard takes messages that are not of calls.
func (n *Node) heard(m wire.Message) error {
	if m.Type != wire.TypeGossip {
		return nil
	}
	relays, err := wire.ParseGossip(m.Body)
	if err != nil {
		return err
	}
	for _, r := range relays {
		n.learnOne(r.Address, r.ID)
	}
	return nil
}
