package main

import (
	"strings"

	"github.com/fernmesh/fernmesh/node"
)

// target is whom a subcommand calls: one node, or several.
type target struct {
	text string
	one  bool         // written as a single name
	many node.Targets // if not one
}

// parseTarget reads TARGET: a name, names with commas between them, or * for
// every other node. "kitchen," is a list of one.
func parseTarget(text string) (target, error) {
	t := target{text: text}
	switch {
	case text == "*":
		t.many = node.Everyone
	case strings.Contains(text, ","):
		var names []string
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return t, faultf(exitUsage, "write a name, names with commas between them, or '*' for every node", "the list of nodes is empty")
		}
		t.many = node.Nodes(names...)
	case text == "":
		return t, faultf(exitUsage, `"fernmesh peers" lists the names`, "the name of the node is empty")
	default:
		t.one = true
	}
	return t, nil
}
