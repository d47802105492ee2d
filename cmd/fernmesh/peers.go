package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

func (m *Main) peersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peers [flags]",
		Short: "List the nodes of the network",
		Long: `Peers asks who is there and lists the nodes that answer promptly, with their
identity keys and addresses, or, where there is none on the local network, the
relays that lead to them.`,
		Args: between(0, 0),
	}
	flags := addFlags(cmd, callOptions)
	cmd.RunE = m.calling(flags, func(ctx context.Context, c *caller, _ []string) error {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		if err := c.Settle(ctx); err != nil {
			return callFault(err, "*", "")
		}
		return m.listPeers(c, c.Peers())
	})
	return cmd
}

func (m *Main) listPeers(c *caller, peers []node.PeerInfo) error {
	if c.json {
		list := []any{}
		for _, p := range peers {
			list = append(list, c.peerJSON(p))
		}
		return m.printJSON(list)
	}
	if len(peers) == 0 {
		m.notef("no other node of network %q was found", c.network)
		return nil
	}
	t := newTable(m.out, "NAME", "ADDRESS", "KEY")
	for _, p := range peers {
		t.row(p.Name, strings.Join(c.addresses(p), ", "), keyText(p))
	}
	return t.end()
}

// addresses are those heard of, or the ones that links go to, or, for a peer
// that only a relay can have told of, the relays that work.
func (c *caller) addresses(p node.PeerInfo) []string {
	if len(p.Addrs) > 0 {
		return p.Addrs
	}
	var list []string
	for _, path := range p.Paths {
		if path.Kind == "lan" {
			list = append(list, pathAddr(path))
		} else {
			list = append(list, pathText(path))
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, r := range c.Relays() {
		if host, _, _ := strings.Cut(r.Address, "#"); r.Up {
			list = append(list, "relay "+host)
		}
	}
	return list
}

func keyText(p node.PeerInfo) string {
	if p.Key.IsZero() {
		return "-"
	}
	return p.Key.String()
}

// peerJSON is a peer in JSON output; the keys stay.
func (c *caller) peerJSON(p node.PeerInfo) map[string]any {
	addrs := []any{}
	for _, a := range c.addresses(p) {
		addrs = append(addrs, a)
	}
	key := ""
	if !p.Key.IsZero() {
		key = p.Key.String()
	}
	return map[string]any{
		"name": p.Name, "key": key, "instance": fmt.Sprint(p.Instance), "addresses": addrs,
		"last_seen": p.LastSeen.UTC().Format(time.RFC3339Nano),
	}
}
