package node

import "github.com/fernmesh/fernmesh/crypto"

// shownKey is an identity, or the zero value of who showed none.
func shownKey(key crypto.NodeKey, has bool) crypto.NodeKey {
	if !has {
		return crypto.NodeKey{}
	}
	return key
}

// leaves takes over that a member said goodbye on a link.
func (r *roster) leaves(id crypto.InstanceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil {
		m.goodbye = true
	}
}
