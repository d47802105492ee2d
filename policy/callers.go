package policy

import (
	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// callers is a set of callers, as it stands in a rule, a grant or a group.
type callers struct {
	everybody bool
	observers bool
	keys      map[crypto.NodeKey]struct{}
	names     map[string]struct{}
	groups    []*group
}

// group is a set with a name. Groups hold no groups, so that no file can make
// a look-up long.
type group struct {
	name    string
	line    int
	members callers
	used    bool
}

// include tells whether c is one of the callers. A key counts if it was proved,
// a name as it is claimed.
func (s *callers) include(c *commands.Caller) bool {
	if s.everybody || s.observers && c.Observer {
		return true
	}
	if c.Verified && s.keys != nil {
		if _, ok := s.keys[c.Key]; ok {
			return true
		}
	}
	if !c.Observer && c.Name != "" && s.names != nil {
		if _, ok := s.names[c.Name]; ok {
			return true
		}
	}
	for _, g := range s.groups {
		if g.members.include(c) {
			return true
		}
	}
	return false
}

// claims tells whether the set rests on what a caller says of itself.
func (s *callers) claims() bool {
	if s.observers || len(s.names) > 0 {
		return true
	}
	for _, g := range s.groups {
		if g.members.claims() {
			return true
		}
	}
	return false
}
