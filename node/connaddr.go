package node

import "github.com/fernmesh/fernmesh/commands"

// Addr is one end of a [Conn] as a [net.Addr].
type Addr struct {
	// Node is the node's name; for an observer, which has none, "observer"
	// and the first digits of its instance.
	Node string
	// Service is what the listening end was asked for; "" at the dialling end.
	Service string
}

// Network returns "fernmesh".
func (a Addr) Network() string { return "fernmesh" }

// String returns "kitchen:http" for a listening end, the name alone for the
// other.
func (a Addr) String() string {
	if a.Service == "" {
		return a.Node
	}
	return a.Node + ":" + a.Service
}

// callerAddr is the dialling end as its caller is known.
func callerAddr(c commands.Caller) Addr {
	if c.Name != "" {
		return Addr{Node: c.Name}
	}
	return Addr{Node: "observer " + c.Instance.String()[:8]}
}
