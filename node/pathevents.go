package node

import "github.com/fernmesh/fernmesh/crypto"

// shownKey is an identity, or the zero value of who showed none.
func shownKey(key crypto.NodeKey, has bool) crypto.NodeKey {
	if !has {
		return crypto.NodeKey{}
	}
	return key
}

// prefer notices that calls to a member take another path now. Callers hold mu.
func (r *roster) prefer(m *member, why string) {
	s := m.pick(nil)
	if s == nil || s.key == m.path {
		return
	}
	first := m.path == pathKey{}
	m.path = s.key
	if !first {
		r.events.emit(Event{
			Kind: PathChanged, Node: m.name, Key: shownKey(m.key, m.hasKey), Path: s.info(), Reason: why, Detail: s.peer.Remote,
		})
	}
}

// displaced says why a path that has just come up may be preferred.
func (m *member) displaced() string {
	if before := m.sessions[m.path]; before != nil && !before.parting.Load() {
		return "a better one came up"
	}
	return "the one before has ended"
}

// reconsider is prefer after a session began to part.
func (r *roster) reconsider(s *session, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[s.peer.Hello.Instance]; m != nil {
		r.prefer(m, why)
	}
}

// leaves takes over that a member said goodbye on a link.
func (r *roster) leaves(id crypto.InstanceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil {
		m.goodbye = true
	}
}
