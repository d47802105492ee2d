package node

// ServiceReady tells whether a call to "any(service)" can go out at once: a peer
// that offers the service and is ready for it has a link that takes calls. It
// becomes true with the first such peer, and false when the last one goes.
// [Node.WaitForService] waits for a member that needs no link yet.
func (n *Node) ServiceReady(service string) bool {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	for _, m := range n.roster.members {
		if _, ready := m.status.State(service); ready && m.pick(nil) != nil {
			return true
		}
	}
	return false
}
