package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

const watchLong = `Watch prints what happens in the network, one line each, until it is interrupted.
It begins with a line for each node that is known.

    known           the node is there
    joined          it was found; the reason says how
    left            it said goodbye
    lost            it went without a word; the reason says what was noticed
    link up, link down, path changed
                    about the links of this program
    relay up, relay down
                    a relay was joined, or is lost or not reached
    network changed this machine slept, or its addresses changed
    name conflict, renamed, identity changed, identity refused, state file, discovery
                    what an operator should know

With --output json it prints one object per line. With --local it prints what the
node of this machine sees, through its control socket.`

func (m *Main) watchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [flags]",
		Short: "Print what happens in the network, as it happens",
		Long:  watchLong,
		Args:  between(0, 0),
	}
	flags := addFlags(cmd, localOptions)
	local := cmd.Flags().Bool("local", false, "what the node of this machine sees, through its control socket")
	count := cmd.Flags().Int("count", 0, "stop after `N` lines; 0 means never")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *count < 0 {
			return faultf(exitUsage, "count from 1, or leave --count", "--count is too small")
		}
		if *local {
			return (&watching{Main: m, most: *count}).runLocal(cmd.Context(), flags)
		}
		return m.calling(flags, (&watching{Main: m, most: *count}).run)(cmd, args)
	}
	return cmd
}

// watching is one run of the watch subcommand.
type watching struct {
	*Main
	most  int // lines; 0 is no bound
	lines int
}

func (w *watching) run(ctx context.Context, c *caller, _ []string) (err error) {
	if err := w.settle(ctx, c); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted, which is how a watch ends
		}
		return callFault(err, "*", "")
	}
	c.happenings(ctx, func(e node.Event) bool {
		var more bool
		more, err = w.print(e, c.json)
		return more
	})
	return err
}

// happenings yields what is known and then what happens, until ctx ends or yield
// returns false.
func (c *caller) happenings(ctx context.Context, yield func(node.Event) bool) {
	events := c.Events(ctx)
	from := time.Now()
	for _, p := range c.Peers() {
		known := node.Event{Time: from, Kind: "known", Node: p.Name, Key: p.Key, Reason: strings.Join(c.addresses(p), ", ")}
		if !yield(known) {
			return
		}
	}
	for e := range events {
		if e.Time.Before(from) {
			continue // the peers that are listed tell of it
		}
		if !yield(e) {
			return
		}
	}
}

func (w *watching) settle(ctx context.Context, c *caller) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Settle(ctx)
}

// print prints an event; more is false when it was the last that is wanted, or
// could not be printed.
func (w *watching) print(e node.Event, asJSON bool) (more bool, err error) {
	if asJSON {
		return w.printed(w.printJSON(eventJSON(e)))
	}
	_, err = fmt.Fprintln(w.out, eventLine(e))
	return w.printed(err)
}

// printed counts a line.
func (w *watching) printed(err error) (more bool, _ error) {
	w.lines++
	return err == nil && w.lines != w.most, err
}

// eventLine is an event for people.
func eventLine(e node.Event) string {
	line := e.Time.Local().Format("15:04:05.000") + "  " + string(e.Kind)
	for _, part := range []string{e.Node, pathText(e.Path)} {
		if part != "" {
			line += "  " + escapeLine(part)
		}
	}
	if e.Kind == node.Renamed {
		line += "  to " + escapeLine(e.Detail)
	}
	if e.Reason != "" {
		line += "  (" + escapeLine(e.Reason) + ")"
	}
	return line
}

// eventJSON is an event in JSON output; the keys stay.
func eventJSON(e node.Event) map[string]any {
	m := map[string]any{"time": e.Time.UTC().Format(time.RFC3339Nano), "event": string(e.Kind), "reason": e.Reason}
	if e.Node != "" {
		m["node"] = e.Node
	}
	if !e.Key.IsZero() {
		m["key"] = e.Key.String()
	}
	if e.Path.Kind != "" {
		m["path"] = pathJSON(e.Path)
	}
	if e.Kind == node.Renamed {
		m["name"] = e.Detail
	}
	return m
}
