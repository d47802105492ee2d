package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Peer is another node of the network as this one knows it, linked or not.
// There is one for every address in [Config].Peers, and for every node that was
// ever discovered, up to Limits.Roster; the one heard of longest ago that has no
// link makes room. All methods are safe for concurrent use and tell of the
// present moment.
type Peer struct {
	node   *Node
	record *lifeRecord
}

// PeerStatus is what is known of a peer at one moment.
type PeerStatus struct {
	// Name is the peer's name; empty while only its address is known.
	Name string
	// Configured are the addresses of [Config].Peers at which it answered last.
	Configured []string
	// State is that of its best link, StateClosed if there is none. Direction
	// says who made the links that calls may take.
	State     State
	Direction Direction
	// Reason is why the peer lost its last link, or why none could be made: the
	// first cause since the last successful connect, which ends it. Err is the
	// error that told of it; nil for some.
	Reason Reason
	Err    error
	// LastConnect and LastDisconnect are when a link last became ready, and when
	// the last ready one ceased to be; zero for never.
	LastConnect    time.Time
	LastDisconnect time.Time
	// LastBye is the peer's latest BYE; nil if it said none.
	LastBye *Bye
	// Links are the links and attempts, and for each path without one the
	// latest that ended; the best one first.
	Links []LinkStatus
}

// LinkStatus is one link to a peer, an attempt to make one, or one that ended.
type LinkStatus struct {
	// Ident names it: 6 bytes in hex, never used twice by one run of a node.
	Ident     string
	Kind      string // "lan" or "relay"
	Addr      string // the peer's address, or that of the relay
	Direction Direction
	State     State
	Since     time.Time // of the state
	Began     time.Time // the first attempt
	Reason    Reason    // the first cause of its end; ReasonNone before
	Err       error     // that told of it; may be nil
}

// Peer returns the peer of a name, or at an address of [Config].Peers; false if
// there is none. A name stands for whoever claims it: two instances that do so
// share one Peer.
func (n *Node) Peer(name string) (*Peer, bool) {
	r := n.peers.find(name)
	if r == nil {
		return nil, false
	}
	return &Peer{n, r}, true
}

// AllPeers returns every peer, sorted by name; those whose name is not known yet
// come first.
func (n *Node) AllPeers() []*Peer {
	var all []*Peer
	for _, r := range n.peers.all() {
		all = append(all, &Peer{n, r})
	}
	return all
}

// Status returns all that is known, of one moment.
func (p *Peer) Status() PeerStatus {
	p.node.peers.mu.Lock()
	defer p.node.peers.mu.Unlock()
	return p.record.now().status()
}

// status is Peer.Status. Callers hold the table's mu.
func (r *lifeRecord) status() PeerStatus {
	s := PeerStatus{
		Name: r.name, Configured: slices.Clone(r.hosts), State: r.state(), Reason: r.reason, Err: r.err,
		LastConnect: r.lastConnect, LastDisconnect: r.lastDisconnect, LastBye: r.bye,
	}
	for _, l := range r.lives {
		if l.state.Ready() {
			s.Direction |= l.direction
		}
		s.Links = append(s.Links, LinkStatus{
			Ident: l.ident, Kind: kind(l.key.transport), Addr: l.addr, Direction: l.direction,
			State: l.state, Since: l.since, Began: l.began, Reason: l.reason, Err: l.err,
		})
	}
	slices.SortStableFunc(s.Links, func(a, b LinkStatus) int { return b.State.rank() - a.State.rank() })
	return s
}

// Name is the peer's name; empty while only its address is known.
func (p *Peer) Name() string { return p.Status().Name }

// State is that of the best link; StateClosed if there is none.
func (p *Peer) State() State { return p.Status().State }

// Reason is why the last link ended, or why none could be made; ReasonNone after
// a successful connect.
func (p *Peer) Reason() Reason { return p.Status().Reason }

// Direction says who made the links that calls may take; 0 if there is none.
func (p *Peer) Direction() Direction { return p.Status().Direction }

// Ready tells whether there is a link that calls may take.
func (p *Peer) Ready() bool { return p.State().Ready() }

// LastConnect is when a link last became ready; zero for never.
func (p *Peer) LastConnect() time.Time { return p.Status().LastConnect }

// LastDisconnect is when the last ready link ceased to be; zero for never.
func (p *Peer) LastDisconnect() time.Time { return p.Status().LastDisconnect }

// DisconnectedSince is for how many seconds the peer has been disconnected: -1
// if it never was, 0 while it is connected again.
func (p *Peer) DisconnectedSince() int64 { return p.Status().DisconnectedSince() }

// DisconnectedSince is that of [Peer.DisconnectedSince].
func (s PeerStatus) DisconnectedSince() int64 {
	switch {
	case s.LastDisconnect.IsZero():
		return -1
	case s.State.Ready():
		return 0
	}
	return int64(time.Since(s.LastDisconnect) / time.Second)
}

// Links are the links and attempts; see PeerStatus.
func (p *Peer) Links() []LinkStatus { return p.Status().Links }

// Connection is the link in the furthest state; false when there is none.
func (p *Peer) Connection() (LinkStatus, bool) {
	links := p.Links()
	if len(links) == 0 || links[0].State == StateClosed {
		return LinkStatus{}, false
	}
	return links[0], true
}

// readyTimeout bounds waiting for readiness when the context has no deadline.
const readyTimeout = 30 * time.Second

func readyBound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, readyTimeout)
}

// WaitForReady returns nil once the peer is ready. It makes a link if there is
// none and the peer's name is known; else it waits for one. A context without a
// deadline is bounded by 30 s. Errors are [ErrNotStarted], [ErrShutdown] and the
// context's.
func (p *Peer) WaitForReady(ctx context.Context) error {
	if err := p.node.usable(); err != nil {
		return err
	}
	ctx, cancel := readyBound(ctx)
	defer cancel()
	if name := p.Name(); name != "" && !p.Ready() {
		p.node.spawn(func() { p.node.approach(ctx, name) })
	}
	return p.node.peers.await(ctx, p.node, p.record, (*lifeRecord).ready)
}

func (r *lifeRecord) ready() bool { return r.state().Ready() }

// await waits until something holds of a peer. The condition is called with the
// table's mu held.
func (t *peerTable) await(ctx context.Context, n *Node, r *lifeRecord, holds func(*lifeRecord) bool) error {
	for {
		t.mu.Lock()
		r = r.now()
		ok, changed := holds(r), r.changed
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.closing:
			return ErrShutdown
		}
	}
}

// approach makes a link to a peer, however often that takes, until the context ends.
func (n *Node) approach(ctx context.Context, name string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	for {
		m, err := n.named(ctx, name)
		if err == nil {
			_, err = n.reach(ctx, m, nil)
		}
		if err == nil || !n.pause(n.cfg.Timers.PathGrace) || ctx.Err() != nil {
			return
		}
	}
}

// ByeCause is why a node parts from another.
type ByeCause uint16

// The causes that a program may give. A peer may say others, of the protocol's
// section 4.
const (
	// ByeRebooting: the node goes, and may come back.
	ByeRebooting = ByeCause(wire.ByeRebooting)
	// ByeBusy: it has too much to do.
	ByeBusy = ByeCause(wire.ByeBusy)
	// ByeNotNeeded: it does not need the link.
	ByeNotNeeded = ByeCause(wire.ByeNotNeeded)
)

// String names the cause.
func (c ByeCause) String() string { return wire.ByeCode(c).String() }

// Bye is what a node says when it parts.
type Bye struct {
	Cause ByeCause
	// ComeBackAfter is when to try again, in whole milliseconds; 0 is no advice:
	// a persistent peer then does not come back by itself.
	ComeBackAfter time.Duration
	// Text is for people.
	Text string
}

var errCause = errors.New("the cause of a BYE must be ByeRebooting, ByeBusy or ByeNotNeeded")

// Disconnect says BYE on every link to the peer and waits until accepted calls
// and open streams have finished, or the context ends; the links are then cut.
// It does not keep anybody from making a new link. The error is the context's.
func (p *Peer) Disconnect(ctx context.Context, bye Bye) error {
	if bye.Cause > ByeNotNeeded {
		return errCause
	}
	name := p.Name()
	var err error
	for _, s := range p.node.roster.all() {
		if s.peer.Hello.Name != name || s.peer.Capabilities.Observer {
			continue
		}
		s.life.parts(ReasonClean, nil)
		s.parting.Store(true)
		p.node.roster.reconsider(s, bye.Text)
		said := s.conn.Bye(ctx, wire.Bye{Code: wire.ByeCode(bye.Cause), ComeBackAfter: bye.ComeBackAfter, Text: bye.Text})
		if ctx.Err() != nil {
			err = said
		}
	}
	return err
}
