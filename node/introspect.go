package node

import (
	"context"
	"errors"

	"github.com/fernmesh/fernmesh/commands"
)

// addIntrospection registers the built-ins by which a node tells of its
// commands and how they fare.
func (n *Node) addIntrospection() error {
	options := func(doc string) []commands.Option {
		return []commands.Option{commands.Doc(doc), commands.Idempotent(), commands.Force()}
	}
	return errors.Join(
		commands.Func(n.tree, "__describe__", n.describe, options("Returns the description of a command, or those of a group, or all: documentation and schemas.")...),
		commands.Func(n.tree, "__stats__", n.statsOf, options("Returns this node's counters, how each of its commands fares, or those of a group, and what passed between it and each peer.")...),
		commands.Func(n.tree, "__health__", n.healthNow, options("Returns how this node is, ok, failing or draining, and what its checks found.")...),
	)
}

type describeInput struct {
	Path  string `json:"path,omitempty" jsonschema:"a command or a group; all if left out"`
	After string `json:"after,omitempty" jsonschema:"the last path of the answer before, to go on with a long group"`
}

// describe answers with one Description for a command, else with those of a group.
func (n *Node) describe(_ context.Context, in describeInput) (any, error) {
	first, _ := n.tree.Page(in.Path, "", 1)
	if in.Path != "" && (len(first) == 0 || first[0] == in.Path) {
		description, err := n.tree.Describe(in.Path)
		var missing *commands.Error
		if errors.As(err, &missing) {
			return nil, missing.DidNotRun() // about the command that was asked for
		}
		return description, err
	}
	paths, left := n.tree.Page(in.Path, in.After, max(n.cfg.Limits.Descriptions, 1))
	list, more := n.descriptions(paths)
	if more += left; more > 0 {
		n.count.DescriptionsCut.Add(1)
	}
	return map[string]any{"commands": list, "more": more}, nil
}

// descriptions describes paths, as many as the limit of bytes allows but at least
// one, and returns how many are left.
func (n *Node) descriptions(paths []string) (list []commands.Raw, more int) {
	list = []commands.Raw{}
	bytes := 0
	for i, path := range paths {
		d, err := n.tree.Describe(path)
		if err != nil {
			continue // it was removed just now
		}
		raw := encodeDescription(d)
		bytes += len(raw)
		if i > 0 && bytes > n.cfg.Limits.DescriptionBytes {
			return list, len(paths) - i
		}
		list = append(list, raw)
	}
	return list, 0
}

// encodeDescription encodes d as an element of a list in a map. Schemas that are
// nested too deep to travel so are left out: one command must not keep a node
// from describing the others.
func encodeDescription(d commands.Description) commands.Raw {
	const around = 2 // bytes: two arrays, to be as deep as in the answer
	raw, err := commands.EncodeValue([][]commands.Description{{d}})
	if err != nil {
		d.Input, d.Output = nil, nil
		raw, err = commands.EncodeValue([][]commands.Description{{d}})
	}
	if err != nil {
		return nil // the value nil; texts and names always encode
	}
	return raw[around:]
}

type statsInput struct {
	Path    string `json:"path,omitempty" jsonschema:"a command or a group, for its figures alone; all if left out"`
	History int    `json:"history,omitempty" jsonschema:"how many minutes of the last 24 hours to add, one snapshot each"`
}

// statsOf answers __stats__: what the node counted.
func (n *Node) statsOf(_ context.Context, in statsInput) (map[string]any, error) {
	out := n.report(in.Path)
	if in.History > 0 {
		minutes := []map[string]any{}
		for _, m := range n.history.last(in.History) {
			minutes = append(minutes, m.value())
		}
		out["history"] = minutes
	}
	return out, nil
}

func (n *Node) healthNow(ctx context.Context, _ struct{}) (Health, error) { return n.Health(ctx) }
