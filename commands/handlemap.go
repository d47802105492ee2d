package commands

import (
	"context"
	"maps"
	"slices"
)

// HandleMap registers a nested map of handlers below top, or at the root when
// top is empty. A key is one segment of a path; a value is a [Handler]
// or [StreamHandler], a function of either form, or a map[string]any of the same
// kind.
//
// All commands become callable at once. When one is refused, for a reason of
// [Tree.Handle], none is registered. Options hold for every command.
func (t *Tree) HandleMap(top string, m map[string]any, opts ...Option) error {
	prefix := ""
	if top != "" {
		if _, err := ParsePath(top); err != nil {
			return err
		}
		prefix = top + "."
	}
	s := apply(opts)
	cmds, err := flatten(nil, prefix, m, s, MaxSegments)
	if err != nil {
		return err
	}
	return t.add(s, cmds...)
}

// flatten appends the commands of m, in the order of their names so that of
// several faults always the same one is reported.
func flatten(cmds []*Command, prefix string, m map[string]any, s settings, depth int) ([]*Command, error) {
	if depth == 0 { // a map that holds itself would have no end
		return nil, Errorf(InvalidArgument, "commands below %s are nested deeper than %d", quoted(prefix), MaxSegments)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if reason := badSegment(name); reason != "" {
			return nil, Errorf(InvalidArgument, "command name %s below %s: %s", quoted(name), quoted(prefix), reason)
		}
		var (
			cmd *Command
			err error
		)
		switch v := m[name].(type) {
		case map[string]any:
			if cmds, err = flatten(cmds, prefix+name+".", v, s, depth-1); err != nil {
				return nil, err
			}
			continue
		case Handler:
			cmd, err = plainCommand(prefix+name, v, s)
		case func(context.Context, *Call) (any, error):
			cmd, err = plainCommand(prefix+name, v, s)
		case StreamHandler:
			cmd, err = plainStreamCommand(prefix+name, v, s)
		case func(context.Context, *Call, *Stream) (any, error):
			cmd, err = plainStreamCommand(prefix+name, v, s)
		default:
			err = Errorf(InvalidArgument, "command %s: %T is neither a handler nor a map of them",
				quoted(prefix+name), v)
		}
		if err != nil {
			return nil, err
		}
		cmds = append(cmds, cmd)
	}
	return cmds, nil
}
