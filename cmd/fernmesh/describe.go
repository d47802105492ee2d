package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

func (m *Main) describeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe [flags] TARGET PATH",
		Short: "Show what a command takes and returns",
		Long: `Describe shows the documentation of one command, whether it may be repeated,
and, where the node knows them, its arguments and result. With --output json it
prints the description as the node gives it, with its JSON schemas.`,
		Args: between(2, 2),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, false, true)
	cmd.RunE = m.calling(flags, m.describe)
	return cmd
}

func (m *Main) describe(ctx context.Context, c *caller, args []string) error {
	target, path := args[0], args[1]
	reply, err := c.one(ctx, target, "__describe__", node.Args(path))
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
	return m.printDescription(path, v)
}

// printDescription shows a description for people. It was made by another node,
// so every part of it may be missing or of another kind.
func (m *Main) printDescription(path string, v any) error {
	d, _ := v.(map[string]any)
	var b strings.Builder
	fmt.Fprintln(&b, escapeLine(path))
	if doc, _ := d["doc"].(string); doc != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimSpace(doc), "\n", "\n    "))
	}
	if twice, _ := d["idempotent"].(bool); twice {
		fmt.Fprintln(&b, "    may be repeated: running it twice does no harm")
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

// printSchema shows the properties of an object schema as a table, any other
// schema by its type or, failing that, as it is. order is the names of
// positional arguments, if they are known.
func (m *Main) printSchema(title string, schema any, order []any) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	props, ok := s["properties"].(map[string]any)
	if !ok || len(props) == 0 {
		_, err := fmt.Fprintf(m.out, "%s %s\n", title, schemaType(s))
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
		t.row("    "+name, schemaType(p), map[bool]string{true: "yes", false: "no"}[contains(required, name)], about)
	}
	return t.end()
}

// propertyOrder is the order in which positional arguments fill the
// properties, where the description tells it, else that of the alphabet.
func propertyOrder(order []any, props map[string]any) []string {
	var names []string
	for _, v := range order {
		if name, ok := v.(string); ok && props[name] != nil {
			names = append(names, name)
		}
	}
	if len(names) == len(props) {
		return names
	}
	return sortedKeys(props)
}

func schemaType(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return escapeLine(t)
	case []any:
		return compactJSON(t)
	}
	return compactJSON(s)
}

func contains(list []any, name string) bool {
	for _, v := range list {
		if v == name {
			return true
		}
	}
	return false
}
