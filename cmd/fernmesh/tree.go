package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const listCommands = "__list_commands__"

func (m *Main) treeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tree [flags] [TARGET]",
		Short: "List the commands of a node",
		Long: `Tree lists the commands that a node has, sorted by path, each with the first
line of its documentation and with marks: idempotent (it may be repeated),
streams, and the rights that it asks for. TARGET is written as for "fernmesh
call"; without one it is '*', every node. With --output json it prints the paths.`,
		Args: between(0, 1),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, true, false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := parseTarget(firstOr(args, "*"))
		if err != nil {
			return err
		}
		return m.calling(flags, func(ctx context.Context, c *caller, _ []string) error { return m.tree(ctx, c, t) })(cmd, nil)
	}
	return cmd
}

// firstOr is the first argument, or what stands for it if there is none.
func firstOr(args []string, other string) string {
	if len(args) > 0 {
		return args[0]
	}
	return other
}

func (m *Main) tree(ctx context.Context, c *caller, t target) error {
	question := describeCommands
	if c.json {
		question = listCommands
	}
	found, err := c.ask(ctx, t, question)
	if err != nil {
		return err
	}
	if c.json {
		return m.printAnswers(c, t, found)
	}
	return m.printTables(c, t, found, describeCommands, m.printCommands)
}

// printCommands shows the answer of __describe__ for a group as a table.
func (m *Main) printCommands(indent string, v any) error {
	d, _ := v.(map[string]any)
	list, _ := d["commands"].([]any)
	t := newTable(m.out, indent+"COMMAND", "MARKS", "ABOUT")
	for _, v := range list {
		d, _ := v.(map[string]any)
		path, _ := d["path"].(string)
		doc, _ := d["doc"].(string)
		doc, _, _ = strings.Cut(strings.TrimSpace(doc), "\n")
		t.row(indent+path, strings.Join(marks(d), ", "), shortened(doc, maxDocLine))
	}
	if err := t.end(); err != nil {
		return err
	}
	if more, _ := d["more"].(int64); more > 0 {
		_, err := fmt.Fprintf(m.out, "%sand %d more; \"fernmesh describe TARGET GROUP\" shows those of a group\n", indent, more)
		return err
	}
	return nil
}

// maxDocLine is how much of a documentation a list shows, in bytes.
const maxDocLine = 120

// shortened is text of another node, cut for a table.
func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// marks are what a caller should know of a command before calling it.
func marks(d map[string]any) (list []string) {
	if twice, _ := d["idempotent"].(bool); twice {
		list = append(list, "idempotent")
	}
	switch streams := trait(d["streams"]); streams {
	case "":
	case "yes":
		list = append(list, "streams")
	default:
		list = append(list, "streams "+streams)
	}
	if rights := trait(d["rights"]); rights != "" {
		list = append(list, "rights: "+rights)
	}
	return list
}
