package commands

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The bounds of the search for similar names, so that a NOT_FOUND costs
// little in a large tree too: its cost must not invite wrong calls.
const (
	nearestNames   = 3   // names given at most
	nearestLooked  = 128 // names of a group looked at; which ones of a larger group is chance
	nearestLongest = 48  // bytes of a segment compared; longer ones have no similar names
)

// notFound says why there is no command at p, in the words of the place where
// the path stops, and with the names that are likely meant.
func notFound(root *group, p Path) *Error {
	e := Errorf(NotFound, "no command %s", quoted(p.text))
	e.Where = WhereQueue
	names := root.nearest(p.text)
	if len(names) == 0 {
		return e
	}
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = name
		names[i] = quoted(name)
	}
	e.Details = map[string]any{"nearest": list}
	e.Message += fmt.Sprintf("; nearest: %s", strings.Join(names, ", "))
	return e
}

// nearest returns up to three paths of commands near one that is not there.
func (g *group) nearest(path string) []string {
	done := 0 // bytes of path that were followed, with their dots
	for {
		name, rest, more := strings.Cut(path[done:], ".")
		m, ok := g.members.Get(name)
		switch {
		case !ok:
			return g.similar(path[:done], name, rest)
		case m.command != nil: // the path goes on below a command
			return []string{m.command.path.text}
		case !more: // the path names a group
			return m.group.some(path)
		}
		done += len(name) + 1
		g = m.group
	}
}

// similar returns commands of g whose names resemble name. In groups that
// resemble it the rest of the path is looked up, and in the nearest one also
// what resembles the rest.
func (g *group) similar(prefix, name, rest string) []string {
	type candidate struct {
		name     string
		distance int
		m        member
	}
	var found []candidate
	looked := 0
	for other, m := range g.members.All() {
		if looked++; looked > nearestLooked {
			break
		}
		if d, ok := distance(name, other); ok {
			found = append(found, candidate{other, d, m})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var out []string
	for i, c := range found[:min(len(found), nearestNames)] {
		if c.m.command != nil {
			out = append(out, c.m.command.path.text)
			continue
		}
		path := prefix + c.name
		below := c.m.group.exactly(path, rest)
		if below == nil && i == 0 && rest != "" {
			next, more, _ := strings.Cut(rest, ".")
			below = c.m.group.similar(path+".", next, more)
		}
		if below == nil {
			below = c.m.group.some(path)
		}
		out = append(out, below...)
	}
	return out[:min(len(out), nearestNames)]
}

// exactly returns the command at rest below g, if there is one.
func (g *group) exactly(prefix, rest string) []string {
	if m, _, ok := g.walk(rest); ok && m.command != nil {
		return []string{prefix + "." + rest}
	}
	return nil
}

// some returns a few commands of g.
func (g *group) some(prefix string) []string {
	var out []string
	for name, m := range g.members.All() {
		if m.command != nil {
			out = append(out, prefix+"."+name)
		} else {
			out = append(out, m.group.some(prefix+"."+name)...)
		}
		if len(out) >= nearestNames {
			break
		}
	}
	slices.Sort(out)
	return out[:min(len(out), nearestNames)]
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours between a and b, case aside. It gives up beyond a third of the length.
func distance(a, b string) (int, bool) {
	limit := max(1, len(a)/3)
	if len(a) > nearestLongest || len(b) > nearestLongest || len(a)-len(b) > limit || len(b)-len(a) > limit {
		return 0, false
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	var rows [3][2*nearestLongest + 1]uint8 // lower case may be longer
	before, last, row := rows[0][:], rows[1][:], rows[2][:]
	for j := range len(b) + 1 {
		last[j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		row[0] = uint8(i)
		for j := 1; j <= len(b); j++ {
			cost := uint8(1)
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return int(last[len(b)]), int(last[len(b)]) <= limit
}
