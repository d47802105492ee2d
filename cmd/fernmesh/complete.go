package main

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// completionTime is how long a shell waits for names.
const completionTime = time.Second

// completer makes a function that completes TARGET, several of them with commas
// between if many, and PATH if the subcommand takes one. Whatever goes wrong,
// it offers nothing and says nothing: somebody is typing.
func (m *Main) completer(flags []*recorder, many, path bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		var words []cobra.Completion
		var err error
		switch {
		case len(args) == 0:
			err = m.observe(ctx, flags, func(c *caller) error {
				_ = c.Settle(ctx) // names that came so far are better than none
				words = targets(c.Peers(), typed, many)
				return nil
			})
		case len(args) == 1 && path:
			err = m.observe(ctx, flags, func(c *caller) (err error) {
				words, err = c.paths(ctx, args[0], typed)
				return err
			})
		}
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// targets are the peers' names, after those of a list that are typed already.
func targets(peers []node.PeerInfo, typed string, many bool) []cobra.Completion {
	before := ""
	if i := strings.LastIndexByte(typed, ','); i >= 0 && many {
		before = typed[:i+1]
	}
	listed := strings.Split(before, ",")
	var words []cobra.Completion
	for _, p := range peers {
		if completable(p.Name) && !slices.Contains(listed, p.Name) && strings.HasPrefix(before+p.Name, typed) {
			words = append(words, before+p.Name)
		}
	}
	return words
}

// paths asks the first node of a target for its commands.
func (c *caller) paths(ctx context.Context, target, typed string) ([]cobra.Completion, error) {
	if target == "*" {
		if err := c.Settle(ctx); err != nil || len(c.Peers()) == 0 {
			return nil, err
		}
		target = c.Peers()[0].Name
	}
	target, _, _ = strings.Cut(target, ",")
	var group []any // all commands if none is typed yet; a node may have 100,000
	if i := strings.LastIndexByte(typed, '.'); i > 0 {
		group = []any{typed[:i]}
	}
	reply, err := c.Call(ctx, target, listCommands, node.Args(group...))
	if err != nil {
		return nil, err
	}
	var all []string
	if err := reply.Decode(&all); err != nil {
		return nil, err
	}
	var words []cobra.Completion
	for _, p := range all {
		if _, err := commands.ParsePath(p); err == nil && completable(p) && strings.HasPrefix(p, typed) {
			words = append(words, p)
		}
	}
	return words, nil
}

// completable reports whether a word is offered to a shell. Others choose it,
// and shells differ in what they make of quotes and spaces, so only plain words
// are.
func completable(s string) bool {
	return s != "" && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.@+", r)
	}) < 0
}
