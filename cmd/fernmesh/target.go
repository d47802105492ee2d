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

// targetHint says how targets are written.
const targetHint = "write a name, any(SERVICE), or several with commas between them: names, group(SERVICE), tag(TAG), '*'"

// parseTarget reads TARGET: a name or any(SERVICE) for one node; group(SERVICE),
// tag(TAG), * for every other node, or several of these with commas between
// them for many. "kitchen," is a list of one.
func parseTarget(text string) (target, error) {
	t := target{text: text}
	if text == "" {
		return t, faultf(exitUsage, `"fernmesh peers" lists the names`, "the name of the node is empty")
	}
	several := strings.Contains(text, ",")
	var parts []node.Targets
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		to, single := parsePart(part)
		t.one = single && !several
		parts = append(parts, to)
	}
	if len(parts) == 0 {
		return t, faultf(exitUsage, targetHint, "the list of nodes is empty")
	}
	if !t.one {
		t.many = node.Union(parts...)
	}
	return t, nil
}

// parsePart reads one part of a list and tells whether it is a single node.
func parsePart(part string) (to node.Targets, single bool) {
	if part == "*" {
		return node.Everyone, false
	}
	if service, ok := within(part, "group("); ok {
		return node.Group(service), false
	}
	if tag, ok := within(part, "tag("); ok {
		return node.Tagged(tag), false
	}
	return node.Nodes(part), true
}

// within is what stands between a head with its parenthesis and the last one.
func within(text, head string) (string, bool) {
	rest, ok := strings.CutPrefix(text, head)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, ")")
}
