package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

func (m *Main) statsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats [flags] [TARGET [PATH]]",
		Short: "Show how the commands of a node fare",
		Long: `Stats shows, for each command that was called since the node started, how often,
how many of the calls failed, how many run now, how long they took (the mean,
and the time that 99 of 100 did not exceed, within an eighth), and the last
error. With a PATH it shows that command, or those of that group, alone. TARGET
is written as for "fernmesh call"; without one it is '*', every node. With
--output json it prints all counters of the node.

    fernmesh stats
    fernmesh stats kitchen,cellar math`,
		Args: between(0, 2),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, true, true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := parseTarget(firstOr(args, "*"))
		if err != nil {
			return err
		}
		var options []node.CallOption
		if len(args) == 2 {
			options = append(options, node.Args(args[1]))
		}
		return m.calling(flags, func(ctx context.Context, c *caller, _ []string) error {
			return m.stats(ctx, c, t, options)
		})(cmd, nil)
	}
	return cmd
}

const statsCommands = "__stats__"

func (m *Main) stats(ctx context.Context, c *caller, t target, options []node.CallOption) error {
	found, err := c.ask(ctx, t, statsCommands, options...)
	if err != nil {
		return err
	}
	if c.json {
		return m.printAnswers(c, t, found)
	}
	return m.printTables(c, t, found, statsCommands, m.printStats)
}

// maxStatRows is how many commands of a node stats shows.
const maxStatRows = 1000

// printStats shows the figures of a node's commands.
func (m *Main) printStats(indent string, v any) error {
	s, _ := v.(map[string]any)
	perCommand, _ := s["commands"].(map[string]any)
	t := newTable(m.out, indent+"COMMAND", "CALLS", "ERRORS", "RUNNING", "MEAN", "P99", "LAST ERROR")
	paths := sortedKeys(perCommand)
	for _, path := range paths[:min(len(paths), maxStatRows)] {
		t.row(append([]string{indent + path}, figures(perCommand[path])...)...)
	}
	if other, ok := s["other"]; ok {
		t.row(append([]string{indent + "(others)"}, figures(other)...)...)
	}
	if err := t.end(); err != nil {
		return err
	}
	if more := len(paths) - maxStatRows; more > 0 {
		_, err := fmt.Fprintf(m.out, "%sand %d more; name a PATH to see those of a group\n", indent, more)
		return err
	}
	return nil
}

// figures are the cells of one command.
func figures(v any) []string {
	s, _ := v.(map[string]any)
	cells := []string{figure(s["calls"]), figure(s["errors"]), figure(s["running"]), inMS(s["mean_ms"]), inMS(s["p99_ms"]), ""}
	if e, ok := s["last_error"].(map[string]any); ok {
		code, _ := e["code"].(string)
		text, _ := e["text"].(string)
		cells[5] = strings.TrimSpace(shortened(code, maxDocLine) + ": " + shortened(text, maxDocLine))
	}
	return cells
}

// figure is a number of another node.
func figure(v any) string {
	switch v.(type) {
	case int64, uint64, float64:
		return compactJSON(v)
	}
	return "?"
}

// inMS is a time of another node, given in milliseconds.
func inMS(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.3f ms", v)
	case int64:
		return fmt.Sprintf("%d ms", v)
	}
	return "?"
}
