package node

import (
	"context"
	"slices"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Targets says whom a gather calls: [Everyone], [Nodes], [Group], [Tagged], or
// several of these together ([Union]). A node is called once, however often it
// is meant; the caller itself only if it is named.
type Targets struct {
	everyone bool
	names    []string
	services []string
	tags     []string
}

// Everyone is every other node of the network that is known when the gather
// starts, never the caller itself.
var Everyone = Targets{everyone: true}

// Nodes is a list of nodes by name. "any(service)" in it is one call to any
// ready member of the service.
func Nodes(names ...string) Targets { return Targets{names: slices.Clone(names)} }

// Group is every other node that offers a service when the gather starts, ready
// or not, except those that are about to leave.
func Group(service string) Targets { return Targets{services: []string{service}} }

// Tagged is every other node that has a tag when the gather starts, except
// those that are about to leave.
func Tagged(tag string) Targets { return Targets{tags: []string{tag}} }

// Union is everyone whom at least one of the targets means.
func Union(targets ...Targets) Targets {
	var u Targets
	for _, t := range targets {
		u.everyone = u.everyone || t.everyone
		u.names = append(u.names, t.names...)
		u.services = append(u.services, t.services...)
		u.tags = append(u.tags, t.tags...)
	}
	return u
}

// check finds names that no service or tag can have.
func (t Targets) check() error {
	for _, s := range t.services {
		if err := wire.CheckOffer("service", s); err != nil {
			return err
		}
	}
	for _, s := range t.tags {
		if err := wire.CheckOffer("tag", s); err != nil {
			return err
		}
	}
	return nil
}

// meets tells whether a member is meant by what it offers.
func (t Targets) meets(s wire.Status) bool {
	if t.everyone {
		return true
	}
	if s.Draining {
		return false
	}
	return slices.ContainsFunc(t.services, func(name string) bool { offered, _ := s.State(name); return offered }) ||
		slices.ContainsFunc(t.tags, func(tag string) bool { return slices.Contains(s.Tags, tag) })
}

// freeze names the members that the targets mean now, after discovery had its
// first round, if it takes discovery to tell: first those that were named.
func (n *Node) freeze(ctx context.Context, t Targets) ([]string, error) {
	names := slices.Clone(t.names)
	if t.everyone || len(t.services)+len(t.tags) > 0 {
		if err := n.Settle(ctx); err != nil {
			return unique(names), err
		}
		if !t.everyone {
			n.inquire(ctx)
		}
		names = append(names, n.roster.matching(t.meets)...)
	}
	return unique(names), nil
}

func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		dup := seen[name]
		seen[name] = true
		return dup
	})
}
