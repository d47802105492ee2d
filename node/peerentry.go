package node

import "time"

// describe adds the status to an entry of __peers__. Times are in unix seconds, 0
// for never.
func (s PeerStatus) describe(entry map[string]any) {
	entry["state"], entry["state_code"] = s.State.String(), int64(s.State)
	entry["reason"], entry["reason_code"] = s.Reason.String(), int64(s.Reason)
	entry["direction"] = int64(s.Direction)
	entry["last_connect"], entry["last_disconnect"] = unix(s.LastConnect), unix(s.LastDisconnect)
	entry["disconnected_since"] = s.DisconnectedSince()
}

// absent describes the configured peers that are no members now.
func (n *Node) absent() []map[string]any {
	var list []map[string]any
	for _, p := range n.AllPeers() {
		s := p.Status()
		if len(s.Configured) == 0 || n.roster.has(s.Name) {
			continue
		}
		entry := map[string]any{"name": s.Name, "key": "", "paths": []map[string]any{}, "configured": s.Configured}
		s.describe(entry)
		list = append(list, entry)
	}
	return list
}

// has tells whether there is a member of a name.
func (r *roster) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byName[name]) > 0
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
