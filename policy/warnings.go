package policy

import (
	"fmt"
	"slices"

	"github.com/fernmesh/fernmesh/commands"
)

// Warnings says what is allowed in a policy and perhaps not meant, in the order
// of its lines: rules that rest on a claimed name, that no call can reach, or
// that change nothing.
func (p *Policy) Warnings() []Problem {
	var all []Problem
	for i, r := range p.rules {
		all = append(all, r.claimed()...)
		if over := p.shadow(i); over != nil {
			all = append(all, Problem{r.line, fmt.Sprintf("the rule in line %d decides all that this one could", over.line), "put the narrower rule first, or remove this one"})
		}
	}
	for _, g := range p.grants {
		if g.callers.claims() {
			all = append(all, Problem{g.line, "a right is granted to a name, which every member of the network can claim", "grant it to the identity key: key:node:…"})
		}
	}
	for _, g := range p.groups {
		if !g.used {
			all = append(all, Problem{g.line, fmt.Sprintf("the group %s is not used", g.name), "use it, or remove it"})
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return a.Line - b.Line })
	return append(all, p.inWhole()...)
}

// claimed warns of a rule that trusts what a caller says of itself.
func (r *rule) claimed() []Problem {
	if !r.callers.claims() || r.callers.everybody {
		return nil
	}
	if r.allow {
		return []Problem{{r.line, "names are claims: every member of the network can pass as one that this rule allows", "allow the identity key: key:node:…"}}
	}
	return []Problem{{r.line, "names are claims: who is denied here can come back under another name", "deny everybody, after a rule that allows the identity keys of those who may"}}
}

// shadow returns a rule before the i-th that decides every call of it.
func (p *Policy) shadow(i int) *rule {
	r := p.rules[i]
	for _, o := range p.rules[:i] {
		if o.callers.cover(&r.callers) && !slices.ContainsFunc(r.paths, func(q pattern) bool { return !o.covers(&q) }) {
			return o
		}
	}
	return nil
}

// covers tells whether one of the rule's paths is at least as wide as q.
func (r *rule) covers(q *pattern) bool {
	return slices.ContainsFunc(r.paths, func(p pattern) bool { return p.covers(q) })
}

// cover tells whether s is at least as wide as o, as far as a look at the
// elements shows.
func (s *callers) cover(o *callers) bool {
	if s.everybody {
		return true
	}
	if o.everybody || o.observers && !s.observers {
		return false
	}
	for k := range o.keys {
		if _, ok := s.keys[k]; !ok {
			return false
		}
	}
	for n := range o.names {
		if _, ok := s.names[n]; !ok {
			return false
		}
	}
	return !slices.ContainsFunc(o.groups, func(g *group) bool { return !slices.Contains(s.groups, g) })
}

// builtins are the built-in commands that tools ask for.
var builtins = []string{"__list_commands__", "__describe__", "__info__"}

// inWhole warns of what the policy as a whole does.
func (p *Policy) inWhole() []Problem {
	last := 1
	for _, r := range p.rules {
		last = max(last, r.line)
	}
	if p.fallback {
		if !slices.ContainsFunc(p.rules, func(r *rule) bool { return !r.allow || r.limited() }) && len(p.grants) == 0 {
			return []Problem{{last, "nothing is ever denied or limited: every rule allows, and so does the default", `add "default deny" as the last line`}}
		}
		return nil
	}
	for _, text := range builtins {
		path, err := commands.ParsePath(text)
		if err != nil || slices.ContainsFunc(p.rules, func(r *rule) bool { return r.allow && r.reaches(path) }) {
			continue
		}
		return []Problem{{last, fmt.Sprintf("nobody may call %s: \"fernmesh tree\", \"fernmesh describe\" and completion will be refused", text),
			`add "allow * on __list_commands__ __describe__ __info__ __health__" if that is not meant`}}
	}
	return nil
}
