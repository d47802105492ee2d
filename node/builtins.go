package node

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/discovery"
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
		{"__list_commands__", "Returns the sorted paths of all commands.", n.listCommands},
		{"__peers__", "Returns the other nodes this node knows, with their paths.", n.listPeers},
		{"__describe__", "Returns the description of one command: documentation and schemas.", n.describe},
		{"__info__", "Returns what this node is: name, product, version, time up.", n.info},
		{"__stats__", "Returns this node's counters.", n.statistics},
		{"__health__", "Returns {status: \"ok\"} while the node takes calls.", n.health},
	} {
		if err := n.tree.Handle(b.path, b.h, commands.Doc(b.doc), commands.Idempotent(), commands.Force()); err != nil {
			return err
		}
	}
	return nil
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

func (n *Node) listCommands(context.Context, *commands.Call) (any, error) {
	return n.tree.List(""), nil
}

func (n *Node) describe(_ context.Context, c *commands.Call) (any, error) {
	path, err := commands.Arg[string](c, 0)
	if err != nil {
		return nil, err
	}
	description, err := n.tree.Describe(path)
	var missing *commands.Error
	if errors.As(err, &missing) {
		return nil, missing.DidNotRun() // about the command that was asked for
	}
	return description, err
}

func (n *Node) listPeers(context.Context, *commands.Call) (any, error) {
	peers := []map[string]any{}
	for _, p := range n.Peers() {
		paths := []map[string]any{}
		for _, path := range p.Paths {
			paths = append(paths, map[string]any{"kind": path.Kind, "addr": path.Addr, "rtt_us": path.RTT.Microseconds()})
		}
		if len(paths) == 0 && len(p.Addrs) > 0 {
			paths = append(paths, map[string]any{"kind": "lan", "addr": p.Addrs[0]})
		}
		key := ""
		if !p.Key.IsZero() {
			key = p.Key.String()
		}
		peers = append(peers, map[string]any{"name": p.Name, "key": key, "paths": paths})
	}
	return peers, nil
}

func (n *Node) info(context.Context, *commands.Call) (any, error) {
	_, up := n.ages()
	return map[string]any{
		"name": n.Name(), "network": n.Network(), "key": n.Identity().String(), "instance": n.instance.String(),
		"product": Product, "version": Version, "go": runtime.Version(), "up_ms": up.Milliseconds(),
	}, nil
}

func (n *Node) statistics(context.Context, *commands.Call) (any, error) {
	s, served := n.Stats(), n.server.Stats()
	return map[string]any{
		"calls": s.Calls, "calls_failed": s.CallsFailed, "retries": s.Retries,
		"links_accepted": s.LinksAccepted, "links_dialed": s.LinksDialed, "dials_failed": s.DialsFailed,
		"served": served.Started, "running": served.Running, "repeats": served.Repeats,
		"overloaded": served.Overloaded, "cancelled": served.Cancelled,
		"handshakes_refused": s.Handshakes, "adverts_accepted": s.Discovery.Accepted, "adverts_refused": byCause(s.Discovery),
	}, nil
}

func byCause(s discovery.Stats) map[string]uint64 {
	refused := make(map[string]uint64, len(s.Refused))
	for cause, count := range s.Refused {
		refused[cause.String()] = count
	}
	return refused
}

func (n *Node) health(context.Context, *commands.Call) (any, error) {
	status := "ok"
	if n.isClosing() {
		status = "shutting down"
	}
	return map[string]any{"status": status, "time": time.Now().UTC()}, nil
}
