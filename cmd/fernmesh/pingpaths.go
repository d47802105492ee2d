package main

import (
	"context"
	"sync"

	"github.com/fernmesh/fernmesh/node"
)

// paths pings a node over every path that is known to it, and shows them.
func (p *pings) paths(ctx context.Context, c *caller, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.Settle(ctx); err != nil {
		return callFault(err, args[0], "")
	}
	name := args[0]
	pong, err := c.Ping(ctx, name) // it finds the node, also that of any(service)
	if err == nil {
		name = pong.Node
	}
	known := c.Paths(name)
	if len(known) == 0 {
		return callFault(err, name, "")
	}
	c.pingAll(ctx, name, known)
	rows := c.Paths(name)
	if c.json {
		list := []any{}
		for _, row := range rows {
			list = append(list, pathStatusJSON(row))
		}
		return p.printJSON(list)
	}
	t := newTable(p.out, "PATH", "STATE", "ROUND TRIP", "CHOSEN", "LAST ERROR")
	for _, row := range rows {
		trip := "-"
		if row.RTT > 0 {
			trip = milliseconds(row.RTT)
		}
		t.row(pathText(row.PathInfo), string(row.State), trip, row.Why, shortened(row.LastError, maxDocLine))
	}
	return t.end()
}

// pingAll pings over all paths at once. What fails shows in their states.
func (c *caller) pingAll(ctx context.Context, name string, paths []node.PathStatus) {
	var all sync.WaitGroup
	for _, path := range paths {
		by := pathAddr(path.PathInfo)
		if path.Kind == "lan" {
			by = path.Kind
		}
		all.Go(func() { _, _ = c.PingPath(ctx, name, by) })
	}
	all.Wait()
}

// pathStatusJSON is a path in JSON output, with the keys of __peers__; they stay.
func pathStatusJSON(row node.PathStatus) map[string]any {
	return map[string]any{
		"kind": row.Kind, "addr": pathAddr(row.PathInfo), "state": string(row.State), "rtt_us": row.RTT.Microseconds(),
		"bytes_in": row.BytesIn, "bytes_out": row.BytesOut, "last_error": row.LastError, "chosen": row.Chosen, "why": row.Why,
		"cipher": row.Cipher,
	}
}
