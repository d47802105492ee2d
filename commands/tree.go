package commands

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fernmesh/fernmesh/commands/internal/hamt"
	"github.com/fernmesh/fernmesh/internal/items"
)

// Tree holds the commands of a node. Every method may be used at any time
// from any goroutine. Lookups take no lock: they read an immutable tree that
// registrations replace as a whole, sharing what has not changed. So a
// registration of many commands becomes visible at once or not at all, and
// one more command costs about the same in a tree of 10 and of 100,000.
type Tree struct {
	mu     sync.Mutex // held by writers, from reading root to storing it
	root   atomic.Pointer[group]
	logger atomic.Pointer[slog.Logger]
	memory *items.Budget // of streamed values that arrive
}

// group is one directory. A group in a tree is never changed and never
// empty, except the root.
type group struct {
	members hamt.Map[member]
	size    int                      // commands in it and below
	sorted  atomic.Pointer[[]string] // see paths
}

// member is one name in a group: a command or a group.
type member struct {
	command *Command
	group   *group
}

// NewTree returns an empty tree.
func NewTree() *Tree {
	t := &Tree{memory: items.NewBudget(defaultStreamMemory)}
	t.root.Store(&group{})
	return t
}

// SetLogger sets where panics of handlers are logged, with their stack and the
// id that the caller was given. Nil, as at the start, discards them.
func (t *Tree) SetLogger(l *slog.Logger) { t.logger.Store(l) }

// Handle registers h at path and makes the groups above it as needed.
//
// It is refused, with an *[Error] of the code in brackets, when the path has
// not the form of [ParsePath] or h is nil (INVALID_ARGUMENT), is reserved
// (PERMISSION_DENIED, see [Force]), is taken (ALREADY_EXISTS, see [Replace]),
// names a group, or leads through a command (FAILED_PRECONDITION).
func (t *Tree) Handle(path string, h Handler, opts ...Option) error {
	cmd, err := plainCommand(path, h, apply(opts))
	if err != nil {
		return err
	}
	return t.add(apply(opts), cmd)
}

// add registers all of cmds, or none.
func (t *Tree) add(s settings, cmds ...*Command) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	root := t.root.Load()
	for _, cmd := range cmds {
		cmd.logger, cmd.memory = &t.logger, t.memory
		if cmd.path.Reserved() && !s.force {
			return reservedError(cmd.path)
		}
		var err error
		if root, err = root.with(cmd, cmd.path.text, s.replace); err != nil {
			return err
		}
	}
	t.root.Store(root)
	return nil
}

// Remove takes a command, or a group with all that is in it, out of the tree.
// Calls that run at that moment finish. Groups left empty vanish. Reserved
// paths need [Force]; an unknown path is refused with NOT_FOUND.
func (t *Tree) Remove(path string, opts ...Option) error {
	p, err := ParsePath(path)
	if err != nil {
		return err
	}
	if p.Reserved() && !apply(opts).force {
		return reservedError(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	root := t.root.Load()
	if _, _, found := root.walk(p.text); !found {
		return notFound(root, p)
	}
	t.root.Store(root.without(p.text))
	return nil
}

// Lookup returns the command at p. The error is an *[Error] with the code
// NOT_FOUND, executed no, that names up to three similar commands, in its
// message and as a list of texts in Details["nearest"].
func (t *Tree) Lookup(p Path) (*Command, error) {
	root := t.root.Load()
	if m, _, ok := root.walk(p.text); ok && m.command != nil {
		return m.command, nil
	}
	return nil, notFound(root, p)
}

// Find is [ParsePath] and [Tree.Lookup] in one, for the callee's side of a call:
// both errors are outcomes of that call, executed no, at the queue.
func (t *Tree) Find(path string) (*Command, *Error) {
	root := t.root.Load()
	if m, _, ok := root.walk(path); ok && m.command != nil {
		return m.command, nil // what is in the tree has a good path
	}
	return nil, missing(root, path)
}

// FindBytes is Find for a path as it came. It keeps no part of it.
func (t *Tree) FindBytes(path []byte) (*Command, *Error) {
	root := t.root.Load()
	if m, _, ok := root.walk(string(path)); ok && m.command != nil { // most paths are short enough to need no memory
		return m.command, nil
	}
	return nil, missing(root, string(path))
}

// missing is the outcome of a call whose path leads to no command.
func missing(root *group, path string) *Error {
	p, err := ParsePath(path)
	if err != nil {
		e := err.(*Error)
		e.Where = WhereQueue
		return e
	}
	return notFound(root, p)
}

// Len returns how many commands there are.
func (t *Tree) Len() int { return t.root.Load().size }

// Describe returns the description of the command at path, or the error of
// [ParsePath] or [Tree.Lookup].
func (t *Tree) Describe(path string) (Description, error) {
	cmd, err := t.Find(path)
	if err != nil {
		return Description{}, err
	}
	return cmd.Description(), nil
}

// walk follows path from g. Where it cannot go on it returns the last group
// reached.
func (g *group) walk(path string) (m member, last *group, found bool) {
	for {
		name, rest, more := strings.Cut(path, ".")
		m, ok := g.members.Get(name)
		switch {
		case !ok:
			return member{}, g, false
		case !more:
			return m, g, true
		case m.group == nil:
			return member{}, g, false
		}
		g, path = m.group, rest
	}
}

// with returns a copy of g that holds cmd at path, counted from g.
func (g *group) with(cmd *Command, path string, replace bool) (*group, error) {
	name, rest, more := strings.Cut(path, ".")
	m, known := g.members.Get(name)
	if !more {
		switch {
		case m.group != nil:
			return nil, Errorf(FailedPrecondition, "%q is a group of commands, not a place for one", cmd.path)
		case known && !replace:
			e := Errorf(AlreadyExists, "command %q is registered already", cmd.path)
			e.Hint = "pass commands.Replace() to put another one in its place"
			return nil, e
		}
		return g.put(name, member{command: cmd}), nil
	}
	if m.command != nil {
		return nil, Errorf(FailedPrecondition, "%q would lie below the command %q", cmd.path, m.command.path)
	}
	below := m.group
	if below == nil {
		below = &group{}
	}
	below, err := below.with(cmd, rest, replace)
	if err != nil {
		return nil, err
	}
	return g.put(name, member{group: below}), nil
}

// put returns a copy of g in which name is m.
func (g *group) put(name string, m member) *group {
	before, _ := g.members.Get(name)
	return &group{members: g.members.With(name, m), size: g.size - before.size() + m.size()}
}

// size counts the commands of a member, which may be none.
func (m member) size() int {
	switch {
	case m.command != nil:
		return 1
	case m.group != nil:
		return m.group.size
	}
	return 0
}

// without returns a copy of g that lacks path, which is there.
func (g *group) without(path string) *group {
	name, rest, more := strings.Cut(path, ".")
	m, _ := g.members.Get(name)
	if more {
		if below := m.group.without(rest); below.members.Len() > 0 {
			return g.put(name, member{group: below})
		}
	}
	return &group{members: g.members.Without(name), size: g.size - m.size()}
}

func reservedError(p Path) *Error {
	e := Errorf(PermissionDenied, "%q is reserved: roots of the form __x__ belong to fernmesh", p)
	e.Hint = "choose another root, or pass commands.Force() if you mean to replace a built-in command"
	return e
}
