package node

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/link"
)

// What a peer is told that is refused because of its identity key. Nothing in it
// is news to a member of the network.
const (
	textNoIdentity = "this node requires an identity key"
	textDenied     = "this identity key is not welcome here"
	textObserver   = "this node takes no observers but those it allows by key"
	textOtherKey   = "another identity key is known here for this name; if the node was set up anew, the owner here has to forget the old one"
	textUnpinned   = "this name is not pinned here"
	textKnowsMany  = "this node remembers no more names"
)

// judgeKey is what the identity key alone decides, and what is known already of
// the name; nil passes the peer on. It remembers nothing.
func (n *Node) judgeKey(p link.Peer) *link.Refusal {
	c, key, observer := &n.cfg, p.Hello.NodeKey, p.Capabilities.Observer
	needed := c.RequireIdentity || len(c.Allow) > 0 || c.Trust != TrustNetwork && !observer
	allowed := p.Hello.HasID && slices.Contains(c.Allow, key)
	switch {
	case needed && !p.Hello.HasID:
		return refused(textNoIdentity, "give the other node an identity: Config.StateDir keeps one")
	case p.Hello.HasID && slices.Contains(c.Deny, key):
		return refused(textDenied, fmt.Sprintf("take %s from the deny list if it is to be welcome", key))
	case len(c.Allow) > 0 && !allowed && !n.isPinned(p):
		return refused(textDenied, fmt.Sprintf("add %s to the allow list if it is to be welcome", key))
	case observer && c.Trust == TrustPinned && !allowed:
		return refused(textObserver, "add the observer's key to the allow list")
	case observer || c.Trust == TrustNetwork:
		return nil
	}
	if known, is := n.knownKey(p.Hello.Name); is && known.Key != key {
		return n.otherKey(p, known)
	}
	return nil
}

// meetName is what the name decides, when nothing else speaks against the peer:
// the first key of a name is remembered now.
func (n *Node) meetName(p link.Peer) *link.Refusal {
	name, key := p.Hello.Name, p.Hello.NodeKey
	if p.Capabilities.Observer || n.cfg.Trust == TrustNetwork {
		return nil
	}
	if known, is := n.knownKey(name); is {
		if known.Key != key { // it came meanwhile
			return n.otherKey(p, known)
		}
		return nil
	}
	if n.cfg.Trust == TrustPinned {
		return refused(textUnpinned, fmt.Sprintf("if it is the right node: fernmesh trust pin %s %s%s", shellName(name), key, n.inFile()))
	}
	first, err := n.known.meet(name, key)
	switch {
	case err != nil:
		n.count.KnownPeersFull.Add(1)
		return refused(textKnowsMany, err.Error())
	case first != key:
		return n.otherKey(p, KnownPeer{Name: name, Key: first})
	}
	return nil
}

// knownKey is what may stand behind a name: its pin, else what the file says.
func (n *Node) knownKey(name string) (KnownPeer, bool) {
	if key, pinned := n.cfg.Pins[name]; pinned {
		return KnownPeer{Name: name, Key: key, Pinned: true}, true
	}
	return n.known.Find(name)
}

// isPinned tells whether the peer is a node that pinned mode would welcome.
func (n *Node) isPinned(p link.Peer) bool {
	if n.cfg.Trust != TrustPinned || p.Capabilities.Observer {
		return false
	}
	known, is := n.knownKey(p.Hello.Name)
	return is && p.Hello.HasID && known.Key == p.Hello.NodeKey
}

func refused(text, hint string) *link.Refusal {
	return &link.Refusal{Code: byeNotAllowed, Text: text, Hint: hint}
}

// otherKey refuses a name that comes with another key than the known one.
func (n *Node) otherKey(p link.Peer, known KnownPeer) *link.Refusal {
	name := p.Hello.Name
	hint := fmt.Sprintf("the name stands for %s here and %s was shown: somebody may pose as it. If the node was set up anew: fernmesh trust forget %s%s",
		known.Key, p.Hello.NodeKey, shellName(name), n.inFile())
	if _, pinned := n.cfg.Pins[name]; pinned {
		hint = fmt.Sprintf("the name is pinned to %s in the configuration and %s was shown: somebody may pose as it. If the node was set up anew, correct the pin",
			known.Key, p.Hello.NodeKey)
	}
	return refused(textOtherKey, hint)
}

// inFile says where what is known of names stands.
func (n *Node) inFile() string {
	if file := n.known.File(); file != "" {
		return ", or edit " + file
	}
	return "; it is in memory only, without Config.StateDir"
}

// shellName quotes a name for a command line where it must be.
func shellName(name string) string {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' && i > 0) {
			return strconv.Quote(name)
		}
	}
	return name
}

// refuseKey tells of a refusal. Members can cause as many as they like, so the
// log gets one a while; events and the counter get all.
func (n *Node) refuseKey(p link.Peer, r *link.Refusal) *link.Refusal {
	n.count.IdentitiesRefused.Add(1)
	key := shownKey(p.Hello.NodeKey, p.Hello.HasID)
	n.events.emit(Event{Kind: IdentityRefused, Node: p.Hello.Name, Key: key, Reason: r.Text, Detail: r.Hint})
	if n.refusalLog.allow(time.Now()) {
		n.cfg.Logger.Warn("a peer was refused because of its identity key", "name", p.Hello.Name, "key", key.String(),
			"remote", p.Remote, "reason", r.Text, "hint", r.Hint)
	}
	return r
}

// refusedHere tells whether this node refused the peer because of its key.
func refusedHere(err error) bool {
	var own *link.RefusedError
	return errors.As(err, &own) && own.Refusal.Hint != ""
}

// firstOfMany tells whether the first use of a name would be a race of several
// claimants that do not show the same key: whoever answered first would be
// remembered.
func (n *Node) firstOfMany(name string, found []*member) bool {
	if n.cfg.Trust != TrustTOFU {
		return false
	}
	if _, known := n.knownKey(name); known {
		return false
	}
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	return slices.ContainsFunc(found, func(m *member) bool { return !m.hasKey || m.key != found[0].key })
}

// claimed tells whether a member goes by a name that is not in doubt.
func (r *roster) claimed(name string) bool {
	found, _ := r.rivals(name)
	return len(found) > 0
}

// seldom lets one pass in each period.
type seldom struct {
	mu   sync.Mutex
	next time.Time
}

const logPeriod = 10 * time.Second

func (s *seldom) allow(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		return false
	}
	s.next = now.Add(logPeriod)
	return true
}
