package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

const describeCommands = "__describe__"

func (m *Main) describeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe [flags] TARGET PATH",
		Short: "Show what a command takes and returns",
		Long: `Describe shows how one command is called and what it returns, as far as the
node knows, its documentation, whether it may be repeated, whether it streams,
and which rights it asks for. The PATH of a group lists the commands in it. With
--output json it prints the description as the node gives it, with its JSON
schemas.

    fernmesh describe kitchen math.add
    fernmesh describe kitchen math`,
		Args: between(2, 2),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, false, true)
	cmd.RunE = m.calling(flags, m.describe)
	return cmd
}

func (m *Main) describe(ctx context.Context, c *caller, args []string) error {
	target, path := args[0], args[1]
	reply, err := c.one(ctx, target, describeCommands, node.Args(path))
	if err != nil {
		return err
	}
	v, err := reply.Value()
	if err != nil {
		return answerFault(err)
	}
	if c.json {
		return m.printJSON(v)
	}
	d, _ := v.(map[string]any)
	if _, group := d["commands"].([]any); group {
		return m.printCommands("", d)
	}
	return m.printDescription(path, d)
}

// printDescription shows a description for people. It was made by another node,
// so every part of it may be missing or of another kind.
func (m *Main) printDescription(path string, d map[string]any) error {
	var b strings.Builder
	fmt.Fprintln(&b, signature(path, d))
	if doc, _ := d["doc"].(string); doc != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimSpace(doc), "\n", "\n    "))
	}
	if twice, _ := d["idempotent"].(bool); twice {
		fmt.Fprintln(&b, "    may be repeated: running it twice does no harm")
	}
	if streams := trait(d["streams"]); streams != "" {
		fmt.Fprintf(&b, "    streams: %s\n", streams)
	}
	if rights := trait(d["rights"]); rights != "" {
		fmt.Fprintf(&b, "    needs the rights: %s\n", rights)
	}
	if _, err := m.out.Write([]byte(b.String())); err != nil {
		return err
	}
	order, _ := d["arguments"].([]any)
	if err := m.printSchema("takes", d["input"], order); err != nil {
		return err
	}
	return m.printSchema("returns", d["output"], nil)
}

// trait shows a part of a description of which only its key is sure: nothing
// for what is absent, false or empty, texts with commas between, else JSON.
func trait(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes"}[v]
	case []any:
		var parts []string
		for _, p := range v {
			parts = append(parts, oneLine(p))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
	}
	return oneLine(v)
}

// printSchema shows the properties of an object schema as a table, any other
// schema by its type. order is the names of positional arguments, if they are
// known.
func (m *Main) printSchema(title string, schema any, order []any) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	props, ok := s["properties"].(map[string]any)
	if !ok || len(props) == 0 {
		what := typeText(s)
		if title == "takes" {
			what = map[bool]string{true: "no arguments", false: "any arguments"}[members(s, nil, 1) == ""]
		}
		_, err := fmt.Fprintf(m.out, "%s %s\n", title, escapeLine(what))
		return err
	}
	if _, err := fmt.Fprintf(m.out, "%s\n", title); err != nil {
		return err
	}
	required, _ := s["required"].([]any)
	t := newTable(m.out, "    NAME", "TYPE", "NEEDED", "ABOUT")
	for _, name := range propertyOrder(order, props) {
		p, _ := props[name].(map[string]any)
		about, _ := p["description"].(string)
		t.row("    "+name, typeText(p), map[bool]string{true: "yes", false: "no"}[slices.Contains(required, any(name))], about)
	}
	return t.end()
}

// propertyOrder is the order in which positional arguments fill the
// properties, where the description tells it, else that of the alphabet.
func propertyOrder(order []any, props map[string]any) []string {
	var names []string
	for _, v := range order {
		if name, ok := v.(string); ok && props[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == len(props) {
		return names
	}
	return sortedKeys(props)
}
