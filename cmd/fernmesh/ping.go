package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

func (m *Main) pingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ping [flags] TARGET",
		Short: "Measure the round trip to a node and show which path it took",
		Long: `Ping measures the round trip to one node over the path that a call would take,
and names that path. The time to find the node and to make the link is not part
of it. With --output json it prints one object per line.

With --path it takes another path: "lan", "relay", or the address of one. With
--paths it pings over every path that is known, shows their states, and says
which one calls take, and why.

    fernmesh ping kitchen
    fernmesh ping --path relay kitchen
    fernmesh ping --path 192.168.1.5:4000 kitchen
    fernmesh ping --paths kitchen`,
		Args: between(1, 1),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, false, false)
	p := pings{Main: m}
	cmd.Flags().IntVar(&p.count, "count", 1, "ping `N` times")
	cmd.Flags().DurationVar(&p.interval, "interval", time.Second, "wait `TIME` between two pings")
	cmd.Flags().StringVar(&p.path, "path", "", "ping over `PATH`: lan, relay or an address")
	all := cmd.Flags().Bool("paths", false, "ping over every path and list them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if p.count < 1 || p.interval < 0 {
			return faultf(exitUsage, "count from 1; an interval is 0 or more", "--count or --interval is too small")
		}
		if *all {
			for _, other := range []string{"path", "count", "interval"} {
				if cmd.Flags().Changed(other) {
					return faultf(exitUsage, "leave one of the two out", "--paths and --%s do not go together", other)
				}
			}
			return m.calling(flags, p.paths)(cmd, args)
		}
		if cmd.Flags().Changed("path") && p.path == "" {
			return faultf(exitUsage, "write lan, relay or an address", "--path is empty")
		}
		return m.calling(flags, p.run)(cmd, args)
	}
	return cmd
}

// pings is one run of the ping subcommand.
type pings struct {
	*Main
	count    int
	interval time.Duration
	path     string // "" is the one that a call would take

	least, most, sum time.Duration
}

func (p *pings) run(ctx context.Context, c *caller, args []string) error {
	for i := range p.count {
		if i > 0 && !pause(ctx, p.interval) {
			return callFault(ctx.Err(), args[0], "")
		}
		pong, err := p.ping(ctx, c, args[0])
		if err != nil {
			return callFault(err, args[0], "")
		}
		if err := p.print(c, pong, i); err != nil {
			return err
		}
	}
	if p.count == 1 || c.json {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%d pings: least %s, mean %s, most %s\n", p.count,
		milliseconds(p.least), milliseconds(p.sum/time.Duration(p.count)), milliseconds(p.most))
	return err
}

func (p *pings) ping(ctx context.Context, c *caller, target string) (node.Pong, error) {
	if p.path == "" {
		return c.Ping(ctx, target)
	}
	return c.PingPath(ctx, target, p.path)
}

func (p *pings) print(c *caller, pong node.Pong, i int) error {
	if i == 0 {
		p.least = pong.RTT
	}
	p.least, p.most, p.sum = min(p.least, pong.RTT), max(p.most, pong.RTT), p.sum+pong.RTT
	if c.json {
		return p.printJSON(map[string]any{"node": pong.Node, "rtt_ms": inMilliseconds(pong.RTT), "path": pathJSON(pong.Path)})
	}
	_, err := fmt.Fprintf(p.out, "%s: %s over %s\n", escapeLine(pong.Node), milliseconds(pong.RTT), escapeLine(pathText(pong.Path)))
	return err
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
