package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (m *Main) treeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tree [flags] TARGET",
		Short: "List the commands of a node",
		Long: `Tree lists the paths of the commands that a node has, sorted, one per line.
TARGET is written as for "fernmesh call".`,
		Args: between(1, 1),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, true, false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		return m.calling(flags, func(ctx context.Context, c *caller, _ []string) error { return m.tree(ctx, c, t) })(cmd, nil)
	}
	return cmd
}

const listCommands = "__list_commands__"

func (m *Main) tree(ctx context.Context, c *caller, t target) error {
	if !t.one {
		return m.each(ctx, c, t, listCommands, nil, indentedPaths)
	}
	reply, err := c.one(ctx, t.text, listCommands)
	if err != nil {
		return err
	}
	var paths []string
	if err := reply.Decode(&paths); err != nil {
		return answerFault(err)
	}
	if c.json {
		v, err := reply.Value()
		if err != nil {
			return answerFault(err)
		}
		return m.printJSON(v)
	}
	for _, p := range paths {
		if _, err := fmt.Fprintln(m.out, escapeLine(p)); err != nil {
			return err
		}
	}
	return nil
}

// indentedPaths shows the paths of one of several nodes below its name.
func indentedPaths(v any) string {
	paths, ok := v.([]any)
	if !ok {
		return " " + oneLine(v)
	}
	var b strings.Builder
	for _, p := range paths {
		b.WriteString("\n    " + oneLine(p))
	}
	return b.String()
}
