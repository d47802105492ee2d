package node

import (
	"context"
	"runtime"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Product and Version are what a node says of itself in HELLO and __info__.
const (
	Product = "fernmesh"
	Version = "0.1.0"
)

// addBuiltins registers the commands that every node answers.
func (n *Node) addBuiltins() error {
	for _, b := range []struct {
		path, doc string
		h         commands.Handler
	}{
		{"__echo__", "Returns the arguments: {args: [...], kwargs: {...}}.", echo},
		{"__list_commands__", "Returns the sorted paths of all commands, or of those at or below the path given.", n.listCommands},
		{"__peers__", "Returns the other nodes this node knows, and the configured ones that are not there, with their states and paths.", n.listPeers},
		{"__info__", "Returns what this node is: name, version, time up, number of commands, limits.", n.info},
	} {
		if err := n.tree.Handle(b.path, b.h, commands.Doc(b.doc), commands.Idempotent(), commands.Force()); err != nil {
			return err
		}
	}
	return n.addIntrospection()
}

func echo(_ context.Context, c *commands.Call) (any, error) {
	args, err := c.Args()
	if err != nil {
		return nil, err
	}
	kwargs, err := c.Kwargs()
	if err != nil {
		return nil, err
	}
	return map[string]any{"args": args, "kwargs": kwargs}, nil
}

func (n *Node) listCommands(_ context.Context, c *commands.Call) (any, error) {
	below := ""
	if count, err := c.NumArgs(); err != nil || count > 0 {
		if below, err = commands.Arg[string](c, 0); err != nil {
			return nil, err
		}
	}
	return n.tree.List(below), nil
}

func (n *Node) listPeers(context.Context, *commands.Call) (any, error) {
	peers := []map[string]any{}
	for _, p := range n.Peers() {
		key := ""
		if !p.Key.IsZero() {
			key = p.Key.String()
		}
		entry := map[string]any{
			"name": p.Name, "key": key, "paths": pathRows(n.roster.paths(p.Instance)),
			"product": p.Product, "version": p.Version, "services": listed(p.Services), "common": orNone(p.Common),
		}
		if known, ok := n.Peer(p.Name); ok {
			known.Status().describe(entry)
		}
		peers = append(peers, entry)
	}
	return append(peers, n.absent()...), nil
}

func (n *Node) info(context.Context, *commands.Call) (any, error) {
	_, up := n.ages()
	l := n.cfg.Limits
	return map[string]any{
		"name": n.Name(), "network": n.Network(), "key": n.Identity().String(), "instance": n.instance.String(),
		"product": Product, "version": Version, "go": runtime.Version(), "up_ms": up.Milliseconds(),
		"commands": n.tree.Len(),
		"limits": map[string]any{
			"handlers_per_peer": l.HandlersPerPeer, "handlers_per_node": l.HandlersPerNode, "links": l.Links,
			"roster": l.Roster, "value_bytes": wire.MaxBig,
		},
	}, nil
}

// statistics is the part of __stats__ that is about the node as a whole.
func (n *Node) statistics() map[string]any {
	s, served := n.Stats(), n.server.Stats()
	return map[string]any{
		"calls": s.Calls, "calls_failed": s.CallsFailed, "retries": s.Retries,
		"path_switches": s.PathSwitches, "resumes": s.Resumes, "address_changes": s.AddressChanges,
		"dials": s.Dials, "backlog_full": s.BacklogFull,
		"identities_refused": s.IdentitiesRefused, "known_peers_full": s.KnownPeersFull, "state_troubles": s.StateTroubles,
		"links_accepted": s.LinksAccepted, "links_dialed": s.LinksDialed, "dials_failed": s.DialsFailed,
		"links_open": s.LinksOpen, "renewals": s.Renewals, "key_updates": s.KeyUpdates,
		"bulk_frames_in": s.BulkFramesIn, "bulk_frames_out": s.BulkFramesOut,
		"served": served.Started, "running": served.Running, "repeats": served.Repeats,
		"policy_denied": s.PolicyDenied, "policy_limited": s.PolicyLimited,
		"policy_reloads": s.PolicyReloads, "policy_reloads_failed": s.PolicyReloadsFailed,
		"requests": served.Requests, "results": s.Results.value(), "results_by_code": byCode(served),
		"unknown_answers": s.UnknownAnswers, "peers_forgotten": s.PeersForgotten,
		"inlined": served.Inlined, "demoted": served.Demoted,
		"waiting": served.Waiting, "queued": served.Queued, "expired": served.Expired, "slowed": served.Slowed, "paced": served.Paced,
		"peer_full": served.PeerFull, "node_full": served.NodeFull, "peer_heavy": served.PeerHeavy, "node_heavy": served.NodeHeavy,
		"argument_bytes": served.ArgumentBytes,
		"overloaded":     served.Overloaded, "cancelled": served.Cancelled,
		"handshakes_refused": s.Handshakes, "adverts_accepted": s.Discovery.Accepted, "adverts_refused": byCause(s.Discovery),
		"commands_unlisted": s.CommandsUnlisted, "descriptions_cut": s.DescriptionsCut, "illegal_moves": s.IllegalMoves,
	}
}

func byCause(s discovery.Stats) map[string]uint64 {
	refused := make(map[string]uint64, len(s.Refused))
	for cause, count := range s.Refused {
		refused[cause.String()] = count
	}
	return refused
}
