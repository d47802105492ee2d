package node

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
)

// PingPath is Ping over one path, whether calls would take it or not: "lan",
// "relay" (the best of them), or the address of one, "192.168.1.5:4000",
// "192.168.1.5" or "relay.example.org:3376", as [Node.Paths] lists them. It makes
// the link if need be. A path that is not known is an UNAVAILABLE error that
// names those that are.
func (n *Node) PingPath(ctx context.Context, target, path string) (Pong, error) {
	if path == "" {
		return Pong{}, badCall(commands.Errorf(commands.InvalidArgument, `no path was given; use "lan", "relay" or an address`))
	}
	return n.pingBy(ctx, target, func(ctx context.Context, m *member) (*session, error) { return n.reachBy(ctx, m, path) })
}

// reachBy returns a session to the member over a path, making the link if need
// be.
func (n *Node) reachBy(ctx context.Context, m *member, path string) (*session, error) {
	n.roster.mu.Lock()
	name, known := m.name, m.pathNames()
	s, ways := m.matching(n.ways(m, nil), path)
	n.roster.mu.Unlock()
	if s != nil {
		return s, nil
	}
	if len(ways) == 0 {
		return nil, &NoPathError{Name: name, Tried: []string{"no path " + path + " is known; " + known}}
	}
	l, life, err := n.race(ctx, whom{name: name, peer: n.peers.find(name)}, ways)
	if err != nil {
		return nil, err
	}
	return n.adopt(l, life, "")
}

// matching finds the session on a path that a user named, or the ways to make
// one. A LAN link that the other side made comes from a port of the moment: it is
// on the path to an address if the host is the same. Callers hold roster.mu.
func (m *member) matching(ways []way, path string) (*session, []way) {
	named := func(key pathKey, addr string) bool {
		addr = bare(addr)
		return path == kind(key.transport) || path == addr || path == hostOf(addr)
	}
	ways = slices.DeleteFunc(ways, func(w way) bool { return !named(w.key, w.label) })
	s := m.among(func(s *session) bool {
		return named(s.key, s.peer.Remote) || slices.ContainsFunc(ways, func(w way) bool {
			return w.key == s.key && hostOf(bare(w.label)) == hostOf(bare(s.peer.Remote))
		})
	})
	return s, ways
}

// bare is the address of a path without its kind.
func bare(addr string) string { return strings.TrimPrefix(addr, "relay ") }

// hostOf is an address without its port.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// pathNames lists the member's paths for an error. Callers hold roster.mu.
func (m *member) pathNames() string {
	var names []string
	for _, p := range m.table() {
		names = append(names, p.Kind+" "+bare(p.Addr))
	}
	if len(names) == 0 {
		return "none is"
	}
	return "known: " + strings.Join(names, ", ")
}
