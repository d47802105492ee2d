package main

import (
	"context"
	"fmt"
	"slices"
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
		m.noteNobody(c)
		return nil
	}
	head := []string{"NAME", "ADDRESS", "KEY"}
	offering := slices.ContainsFunc(peers, func(p node.PeerInfo) bool { return offersText(p) != "" })
	if offering {
		head = append(head, "OFFERS")
	}
	t := newTable(m.out, head...)
	for _, p := range peers {
		cells := []string{p.Name, strings.Join(c.addresses(p), ", "), keyText(p)}
		if offering {
			cells = append(cells, offersText(p))
		}
		t.row(cells...)
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

// offersText is what a peer offers, as targets say it: "any(thermostat)
// tag(upstairs)". A service for which it is not ready stands in its group only.
func offersText(p node.PeerInfo) string {
	var list []string
	for _, s := range p.Services {
		if s.Ready && !p.Draining {
			list = append(list, "any("+s.Name+")")
		} else {
			list = append(list, "group("+s.Name+")")
		}
	}
	for _, tag := range p.Tags {
		list = append(list, "tag("+tag+")")
	}
	return strings.Join(list, " ")
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
	offers, tags := []any{}, []any{}
	for _, s := range p.Services {
		offers = append(offers, map[string]any{"name": s.Name, "ready": s.Ready && !p.Draining})
	}
	for _, tag := range p.Tags {
		tags = append(tags, tag)
	}
	key := ""
	if !p.Key.IsZero() {
		key = p.Key.String()
	}
	return map[string]any{
		"name": p.Name, "key": key, "instance": fmt.Sprint(p.Instance), "addresses": addrs,
		"last_seen": p.LastSeen.UTC().Format(time.RFC3339Nano), "services": offers, "tags": tags,
	}
}
