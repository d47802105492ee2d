package relayserver

import (
	"net"
	"strings"
)

// hostSet is the set of names by which a relay may be dialled. An empty one has
// all.
type hostSet map[string]bool

func makeHostSet(names []string) hostSet {
	set := hostSet{}
	for _, name := range names {
		set[strings.ToLower(name)] = true
	}
	return set
}

// has reports whether the authority of a JOIN, which has a port, is one of the
// names: with its port, or without if the name has none.
func (s hostSet) has(authority string) bool {
	if len(s) == 0 {
		return true
	}
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		return false
	}
	return s[authority] || s[host] || s["["+host+"]"]
}
