package node

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// PathState is the state of one path to a peer.
type PathState string

// The states of a path.
const (
	// PathUp: there is a link, and the peer answers on it. PathDialling: a link
	// is being made. PathDown: the last link broke, its peer is silent, or the
	// last attempt failed; LastError says why. PathUnknown: the path is known and
	// was not tried, or its link was closed in order.
	PathUp       PathState = "up"
	PathDialling PathState = "dialling"
	PathDown     PathState = "down"
	PathUnknown  PathState = "unknown"
)

// PathStatus is one row of the path table of a peer. PathInfo describes the link
// while there is one; else it has Kind and Addr alone.
type PathStatus struct {
	PathInfo
	State PathState
	// BytesIn and BytesOut count what went over this path since the peer is
	// known, in sealed bytes, without the framing of TCP or a relay.
	BytesIn, BytesOut uint64
	// LastError is what went wrong last on this path, also when it is up again,
	// and LastErrorAt when; "" and zero if nothing did.
	LastError   string
	LastErrorAt time.Time
	// Chosen tells that new calls take this path, and Why for what reason: "only
	// path", "LAN before relays", "lowest round trip", or "held: …" while a
	// better path is there that is not taken yet. Why is empty for the others.
	Chosen bool
	Why    string
}

// Paths returns every path known to the live node of a name, the LAN first, then
// the relays: nil if no node of that name is known. Of several nodes that claim
// the name it describes the one with a link.
func (n *Node) Paths(name string) []PathStatus {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	var m *member
	for _, o := range n.roster.byName[name] {
		if m == nil || len(o.sessions) > len(m.sessions) {
			m = o
		}
	}
	if m == nil {
		return nil
	}
	return m.table()
}

// paths is the table of an instance.
func (r *roster) paths(id crypto.InstanceID) []PathStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil {
		return m.table()
	}
	return nil
}

// table lists the member's paths. Callers hold roster.mu.
func (m *member) table() []PathStatus {
	known := map[pathKey]string{}
	for key, p := range m.paths {
		known[key] = p.addr
	}
	if _, tried := known[lanPath]; !tried && len(m.addrs) > 0 {
		known[lanPath] = order(slices.Clone(m.addrs))[0].String()
	}
	for _, w := range m.relayWays() {
		known[w.key] = w.label
	}
	chosen := m.pick(nil)
	rows := make([]PathStatus, 0, len(known))
	for key, addr := range known {
		rows = append(rows, m.row(key, addr, chosen))
	}
	slices.SortFunc(rows, func(a, b PathStatus) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Addr, b.Addr)) // "lan" before "relay"
	})
	return rows
}

// row describes one path.
func (m *member) row(key pathKey, addr string, chosen *session) PathStatus {
	row := PathStatus{PathInfo: PathInfo{Kind: kind(key.transport), Addr: addr}, State: PathUnknown}
	p := m.paths[key]
	if p != nil {
		row.BytesIn, row.BytesOut = p.in, p.out
		row.LastError, row.LastErrorAt = p.failure, p.failed
	}
	s := m.sessions[key]
	if s != nil && !s.parting.Load() {
		row.PathInfo = s.info()
		row.State = PathUp
		if s.isSilent() {
			row.State = PathDown
		}
		in, out := s.link.Bytes()
		row.BytesIn, row.BytesOut = row.BytesIn+in, row.BytesOut+out
	} else if p != nil && p.dialing > 0 {
		row.State = PathDialling
	} else if p != nil && p.down {
		row.State = PathDown
	}
	if chosen != nil && s == chosen {
		row.Chosen, row.Why = true, m.why
	}
	return row
}

// pathRows is the table as __peers__ returns it.
func pathRows(table []PathStatus) []map[string]any {
	rows := make([]map[string]any, 0, len(table))
	for _, p := range table {
		rows = append(rows, map[string]any{
			"kind": p.Kind, "addr": strings.TrimPrefix(p.Addr, p.Kind+" "), "state": string(p.State),
			"rtt_us": p.RTT.Microseconds(), "bytes_in": p.BytesIn, "bytes_out": p.BytesOut,
			"last_error": p.LastError, "chosen": p.Chosen, "why": p.Why, "cipher": p.Cipher,
		})
	}
	return rows
}

func kind(t crypto.Transport) string {
	if t == crypto.TransportRelay {
		return "relay"
	}
	return "lan"
}
