package node

import "github.com/fernmesh/fernmesh/discovery"

// Strangers tells whether adverts were heard on the LAN that no key of this node
// opens: those of other networks, or of this one under a key that it does not
// have. A node that was off while the network's key was changed hears such.
func (n *Node) Strangers() bool {
	return n.Stats().Discovery.Refused[discovery.CauseToken] > 0
}

// strangersHint is the next step of one who finds nobody, but hears somebody.
const strangersHint = "nodes with another key are heard on this LAN: if the network's key was changed, put the new key file on this machine"

// unknownHint is the next step when a name was not found.
func (n *Node) unknownHint() string {
	if n.Strangers() {
		return "check the name; " + strangersHint
	}
	return "check the name, and that the node runs with the same network name and key"
}
