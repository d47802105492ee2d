package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// PeerInfo is what the node knows of one other node.
type PeerInfo struct {
	Name     string
	Instance crypto.InstanceID
	// Key is the peer's identity; zero if it showed none so far.
	Key crypto.NodeKey
	// Addrs are the addresses heard of, "192.168.1.5:4000".
	Addrs []string
	// Paths are the live links to it; none before the first call.
	Paths []PathInfo
	// LastSeen is when it was last heard of by discovery or a new link.
	LastSeen time.Time
	// Product and Version are the software that it runs, Limits what it takes,
	// by name, Features those that both nodes have on, all as its latest HELLO
	// said; empty before the first link to it.
	Product  string
	Version  string
	Limits   map[string]uint64
	Features uint64
	// Common are the sorted names of the services that both nodes offer.
	Common []string
	// Services and Tags are what it offers, as it last said; Draining tells
	// that it is about to leave.
	Services []Service
	Tags     []string
	Draining bool
}

// Peers returns the other nodes of the network that are known now, sorted by
// name. Observers are not among them.
func (n *Node) Peers() []PeerInfo {
	own := n.offers.now()
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	peers := make([]PeerInfo, 0, len(n.roster.members))
	for _, m := range n.roster.members {
		p := m.info()
		p.Common = common(own, m.status)
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b PeerInfo) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Instance.Compare(b.Instance)
	})
	return peers
}

// info describes the member. Callers hold roster.mu.
func (m *member) info() PeerInfo {
	p := PeerInfo{
		Name: m.name, Instance: m.instance, Key: m.key, LastSeen: m.lastSeen,
		Product: m.says.Product, Version: m.says.Version, Features: m.features, Limits: maps.Clone(m.says.Limits),
		Services: services(m.status, m.says.Services), Tags: slices.Clone(m.status.Tags), Draining: m.status.Draining,
	}
	for _, addr := range order(slices.Clone(m.addrs)) {
		p.Addrs = append(p.Addrs, addr.String())
	}
	for _, s := range m.sessions {
		if !s.parting.Load() {
			p.Paths = append(p.Paths, s.info())
		}
	}
	return p
}

// Pong is the answer to a ping.
type Pong struct {
	Node string
	RTT  time.Duration
	Path PathInfo
}

// Ping measures the round trip to a node over the path that a call would
// take, making the link if need be (the time for that is not counted).
func (n *Node) Ping(ctx context.Context, target string) (Pong, error) {
	return n.pingBy(ctx, target, func(ctx context.Context, m *member) (*session, error) { return n.reach(ctx, m, nil) })
}

// reaching makes a session to a member.
type reaching func(context.Context, *member) (*session, error)

func (n *Node) pingBy(ctx context.Context, target string, reach reaching) (Pong, error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	c := &calling{node: n, target: target, req: &request{}}
	if err := checkTarget(target); err != nil {
		return Pong{}, badCall(err)
	}
	if err := n.usable(); err != nil {
		return Pong{}, c.verdict(ctx, err)
	}
	if target == n.Name() && target != "" {
		return Pong{Node: target, Path: PathInfo{Kind: pathSelf}}, nil
	}
	for {
		pong, err := n.ping(ctx, target, reach)
		if err == nil {
			return pong, nil
		}
		if !c.again(ctx, err) {
			return Pong{}, c.verdict(ctx, err)
		}
	}
}

func (n *Node) ping(ctx context.Context, target string, reach reaching) (Pong, error) {
	m, err := n.resolve(ctx, target)
	if err != nil {
		return Pong{}, err
	}
	s, err := reach(ctx, m)
	if err != nil {
		return Pong{}, err
	}
	rtt, err := s.conn.Ping(ctx)
	if err != nil {
		return Pong{}, err
	}
	return Pong{Node: s.peer.Hello.Name, RTT: rtt, Path: s.info()}, nil
}

// Stats returns the node's counters.
func (n *Node) Stats() Stats {
	c := n.count
	s := Stats{
		HalfOpen:      n.guard.waiting(),
		RefusedSource: c.RefusedSource.Load(), CutHalfOpen: c.CutHalfOpen.Load(), RefusedLinks: c.RefusedLinks.Load(),
		LinksAccepted: c.LinksAccepted.Load(), LinksDialed: c.LinksDialed.Load(), DialsFailed: c.DialsFailed.Load(),
		Calls: c.Calls.Load(), CallsFailed: c.CallsFailed.Load(), Retries: c.Retries.Load(), SecondPaths: c.SecondPaths.Load(),
		PathSwitches: c.PathSwitches.Load(), Resumes: c.Resumes.Load(), AddressChanges: c.AddressChanges.Load(),
		NameConflicts: c.NameConflicts.Load(), Renames: c.Renames.Load(),
		RosterFull: c.RosterFull.Load(), EventsLost: c.EventsLost.Load(), PresenceRefused: c.PresenceRefused.Load(),
		StreamItemsRefused:  n.tree.StreamMemoryRefused() + n.items.Refused(),
		PublicationsDropped: c.PublicationsDropped.Load(), SubscriptionsRefused: c.SubscriptionsRefused.Load(),
		CommandsUnlisted: c.CommandsUnlisted.Load(), DescriptionsCut: c.DescriptionsCut.Load(),
		LinksOpen: n.links.Open(), Renewals: c.Renewals.Load(), KeyUpdates: n.links.Rekeyed(),
		Handshakes:        n.links.Snapshot(),
		TracesIgnored:     c.TracesIgnored.Load(),
		IdentitiesRefused: c.IdentitiesRefused.Load(), KnownPeersFull: c.KnownPeersFull.Load(), StateTroubles: c.StateTroubles.Load(),
		Dials: c.Dials.Load(), BacklogFull: c.BacklogFull.Load(), PeersForgotten: c.PeersForgotten.Load(),
		IllegalMoves: c.IllegalMoves.Load(),
	}
	s.BulkFramesIn, s.BulkFramesOut = n.links.Bulk()
	n.addPolicyStats(&s)
	s.addServed(n.server.Stats())
	n.mu.Lock()
	disc := n.disc
	n.mu.Unlock()
	if disc != nil {
		s.Discovery = disc.Stats()
	}
	return s
}
