package node

import (
	"slices"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// What a member offers reaches this node in three ways. A link is the member's
// own word; adverts and presence are what anyone who holds the network key may
// have written, and count only while there is no link.

// told takes over what a member says over a link. Callers hold roster.mu.
func (m *member) told(s wire.Status) {
	if !m.byLink || s.Revision > m.status.Revision {
		m.status, m.byLink = s, true
	}
}

// rumour takes over what an advert or presence says of a member, unless it is
// older or says less than what is known. Callers hold roster.mu.
func (m *member) rumour(s wire.Status) {
	if !m.byLink && (s.Revision > m.status.Revision || s.Revision == m.status.Revision && m.status.Brief) {
		m.status = s
	}
}

// advertisedStatus takes over the status of an advert. Callers hold roster.mu.
func (m *member) advertisedStatus(b []byte) {
	if b == nil {
		return
	}
	if s, err := wire.ParseStatus(b); err == nil { // discovery has checked it
		m.rumour(s)
	}
}

// heardStatus takes a STATUS message.
func (r *roster) heardStatus(s *session, body []byte) error {
	status, err := wire.ParseStatus(body)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[s.peer.Hello.Instance]
	if m == nil || s.peer.Capabilities.Observer {
		return nil
	}
	m.told(status)
	r.offered(m)
	r.wake()
	return nil
}

// known lists, sorted, the services that the members offer.
func (r *roster) services() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, m := range r.members {
		for _, s := range m.status.Services {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// matching returns, sorted, the names of the members that a test passes.
func (r *roster) matching(test func(wire.Status) bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, m := range r.members {
		if test(m.status) {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// brief lists the members whose status a link has to tell.
func (r *roster) brief() []*member {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*member
	for _, m := range r.members {
		if m.status.Brief && !m.byLink {
			list = append(list, m)
		}
	}
	return list
}
