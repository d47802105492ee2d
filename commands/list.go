package commands

import "slices"

// List returns the paths of all commands at or below prefix, sorted by bytes.
// The empty prefix means the whole tree.
func (t *Tree) List(prefix string) []string { return slices.Clone(t.below(prefix)) }

// Page returns at most that many of the paths that [Tree.List] returns, from the
// first one above after, and how many are left behind them. In a tree that does
// not change, a page costs what is on it, however long the list is.
func (t *Tree) Page(prefix, after string, most int) (paths []string, left int) {
	all := t.below(prefix)
	at, found := slices.BinarySearch(all, after)
	if found {
		at++
	}
	page := all[at:min(at+max(most, 0), len(all))]
	return slices.Clone(page), len(all) - at - len(page)
}

// below is List; the result is not to be changed.
func (t *Tree) below(prefix string) []string {
	root := t.root.Load()
	if prefix == "" {
		return root.paths()
	}
	m, _, _ := root.walk(prefix)
	switch {
	case m.command != nil:
		return []string{m.command.path.text}
	case m.group != nil:
		return m.group.paths()
	}
	return []string{}
}

// paths returns the sorted paths of all commands in g, which are not to be
// changed. They are kept for whoever asks next: sorting 100,000 takes tens of
// milliseconds, and a long list is asked for page by page.
func (g *group) paths() []string {
	if kept := g.sorted.Load(); kept != nil {
		return *kept
	}
	paths := g.list(make([]string, 0, g.size))
	slices.Sort(paths)
	g.sorted.Store(&paths)
	return paths
}

// list appends the paths of all commands in g.
func (g *group) list(out []string) []string {
	for _, m := range g.members.All() {
		if m.command != nil {
			out = append(out, m.command.path.text)
		} else {
			out = m.group.list(out)
		}
	}
	return out
}
