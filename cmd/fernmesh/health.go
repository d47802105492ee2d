package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (m *Main) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health [flags] [TARGET…]",
		Short: "Show whether nodes are well",
		Long: `Health asks nodes how they are: ok; failing, if a check of the application that
runs on the node fails; or draining, if the node is shutting down. It shows each
check with the time it took. A TARGET is written as for "fernmesh call"; without
one it is '*', every node.

The exit code is 0 only if there is a node and all of them are ok.

    fernmesh health
    fernmesh health kitchen cellar`,
		Args: between(0, -1),
	}
	flags := addFlags(cmd, callOptions)
	complete := m.completer(flags, true, false)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete(cmd, nil, typed) // each argument is a target
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text := "*"
		if len(args) > 0 {
			text = strings.Join(args, ",")
		}
		t, err := parseTarget(text)
		if err != nil {
			return err
		}
		return m.calling(flags, func(ctx context.Context, c *caller, _ []string) error { return m.health(ctx, c, t) })(cmd, nil)
	}
	return cmd
}

const healthCommand = "__health__"

func (m *Main) health(ctx context.Context, c *caller, t target) error {
	found, err := c.ask(ctx, t, healthCommand)
	if err != nil {
		return err
	}
	if c.json {
		err = m.printJSON(found.json(t))
	} else if len(found) > 0 {
		err = m.printHealth(found)
	}
	if err != nil {
		return err
	}
	return c.verdict(found)
}

// verdict is nil if all nodes are ok.
func (c *caller) verdict(found answers) error {
	unwell := 0
	for _, a := range found {
		if a.err != nil || healthStatus(a.value) != "ok" {
			unwell++
		}
	}
	switch {
	case len(found) == 0:
		return c.nobody()
	case unwell > 0:
		return faultf(exitFailure, "the table says which check failed, and why", "%d of %d nodes are not ok", unwell, len(found))
	}
	return nil
}

// nobody is the fault of a command that needs a node.
func (c *caller) nobody() error {
	hint := "see whether the nodes run, and whether they have this key"
	if c.Strangers() {
		hint = strangersHint
	}
	return faultf(exitUnreachable, hint, "no other node of network %q was found", c.network)
}

func healthStatus(v any) string {
	h, _ := v.(map[string]any)
	status, _ := h["status"].(string)
	return status
}

// maxChecks is how many checks of one node are shown.
const maxChecks = 100

// printHealth shows a row per check, those of a node below each other.
func (m *Main) printHealth(found answers) error {
	t := newTable(m.out, "NODE", "STATUS", "CHECK", "TIME", "RESULT")
	for _, name := range sortedKeys(found) {
		a := found[name]
		if a.err != nil {
			t.row(name, "no answer", "", "", callFault(a.err, name, healthCommand).text)
			continue
		}
		h, _ := a.value.(map[string]any)
		checks, _ := h["checks"].(map[string]any)
		names := sortedKeys(checks)
		if len(names) == 0 {
			t.row(name, healthStatus(h), "", "", "")
		}
		first := name
		for i, check := range names {
			if i == maxChecks {
				t.row("", "", fmt.Sprintf("and %d more", len(names)-i), "", "")
				break
			}
			status := ""
			if i == 0 {
				status = healthStatus(h)
			}
			t.row(append([]string{first, status, check}, checkCells(checks[check])...)...)
			first = ""
		}
	}
	return t.end()
}

// checkCells are how long a check took and what came of it.
func checkCells(v any) []string {
	r, _ := v.(map[string]any)
	if ok, _ := r["ok"].(bool); ok {
		return []string{inMS(r["ms"]), "ok"}
	}
	why, _ := r["error"].(string)
	return []string{inMS(r["ms"]), strings.TrimSuffix("failed: "+shortened(why, 200), ": ")}
}
