package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"time"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// Names are claims that live nodes settle among themselves (protocol, section
// 9). Two instances with one name compare what their HELLOs say; both reach
// the same verdict, the loser gives way.

// heldTie is the difference in holding a name below which it does not count.
const heldTie = 5 * time.Second

// claimFacts is what decides between two claimants of a name.
type claimFacts struct {
	instance crypto.InstanceID
	key      crypto.NodeKey
	hasKey   bool
	held, up time.Duration
}

// beats tells whether a keeps the name against b, and whether the two are the
// same node, of which the younger instance takes over.
func (a claimFacts) beats(b claimFacts) (wins, sameNode bool) {
	lower := bytes.Compare(a.instance[:], b.instance[:]) < 0
	if a.hasKey && b.hasKey && a.key == b.key {
		if a.up == b.up {
			return lower, true
		}
		return a.up < b.up, true
	}
	if (a.held == 0) != (b.held == 0) {
		return a.held > 0, false // a node that starts takes no name from one that runs
	}
	if (a.held - b.held).Abs() <= heldTie {
		return lower, false
	}
	return a.held > b.held, false
}

func (n *Node) ownFacts() claimFacts {
	held, up := n.ages()
	return claimFacts{n.instance, n.identity.Public(), true, held, up}
}

func factsOf(p link.Peer) claimFacts {
	return claimFacts{p.Hello.Instance, p.Hello.NodeKey, p.Hello.HasID, p.Capabilities.Held, p.Capabilities.Up}
}

// judge is the policy on a peer whose HELLO is good: nil welcomes it.
func (n *Node) judge(p link.Peer) *link.Refusal {
	switch {
	case n.isClosing():
		return &link.Refusal{Code: byeDraining, Text: "shutting down"}
	case !n.keyring().opens(p.KeyID):
		return &link.Refusal{Code: byeNotNeeded, Text: "its network key is retired"} // meanwhile
	}
	if refusal := n.judgeKey(p); refusal != nil {
		return n.refuseKey(p, refusal)
	}
	if !n.cfg.Observer && !p.Capabilities.Observer && p.Hello.Name == n.Name() {
		return n.judgeName(p)
	}
	if refusal := n.judgeServices(p); refusal != nil {
		return refusal
	}
	if refusal := n.meetName(p); refusal != nil {
		return n.refuseKey(p, refusal)
	}
	return nil
}

// judgeName settles a meeting with another claimant of our name. Whoever
// wins, this link ends; the loser comes back under its new name.
func (n *Node) judgeName(p link.Peer) *link.Refusal {
	n.count.NameConflicts.Add(1)
	n.events.emit(Event{Kind: Conflict, Node: p.Hello.Name, Key: shownKey(p.Hello.NodeKey, p.Hello.HasID), Reason: "claimed by " + p.Remote})
	wins, sameNode := n.ownFacts().beats(factsOf(p))
	if !wins {
		n.loseName(p)
		return &link.Refusal{Code: byeNotNeeded, Text: "giving way"}
	}
	if sameNode {
		return &link.Refusal{Code: byeReplaced, Text: "the same node runs elsewhere and is younger"}
	}
	return &link.Refusal{Code: byeNameTaken, Text: "the name is held by a node that is older"}
}

// loseName gives the name up: a starting node fails or is renamed by claim, a
// running one is renamed at once.
func (n *Node) loseName(p link.Peer) {
	n.mu.Lock()
	running := !n.nameTaken.IsZero()
	n.mu.Unlock()
	if !running {
		select {
		case n.lostClaim <- p.Remote:
		default:
		}
		return
	}
	n.spawn(n.rename)
}

// rename goes on under a derived name and makes peers learn it: adverts carry
// it at once, and links are drained so that new ones introduce it.
func (n *Node) rename() {
	n.mu.Lock()
	old := n.name
	n.name = derivedName(n.cfg.Name, n.instance)
	now := n.name
	n.mu.Unlock()
	if old == now {
		return
	}
	n.count.Renames.Add(1)
	n.events.emit(Event{Kind: Renamed, Node: old, Key: n.Identity(), Reason: "the name is held by another live node", Detail: now})
	n.cfg.Logger.Warn("name lost to another live node; renamed", "old", old, "new", now)
	n.announceSelf()
	for _, s := range n.roster.all() {
		n.part(s, parted{code: byeNotNeeded, text: "renamed"})
	}
}

// derivedName is the name a loser goes by: the first 59 bytes, '~', and four
// hex digits of the instance id.
func derivedName(name string, id crypto.InstanceID) string {
	cut := name
	for len(cut) > 59 {
		_, size := utf8.DecodeLastRuneInString(cut)
		cut = cut[:len(cut)-size]
	}
	return cut + "~" + hex.EncodeToString(id[:2])
}

// claim takes the node's name at start. It listens for another holder for
// Timers.Claim, and until the relays have been joined or not; if one is heard of, the two meet and settle it, which may take
// until Timers.ClaimMax.
func (n *Node) claim(ctx context.Context) error {
	t := n.cfg.Timers
	quiet := time.NewTimer(t.Claim)
	defer quiet.Stop()
	limit := time.NewTimer(t.ClaimMax)
	defer limit.Stop()
	settled := make(chan struct{})
	if !n.spawn(func() { defer close(settled); n.relaysSettled(ctx) }) {
		return ErrShutdown
	}
	var asked <-chan struct{}
	met := map[crypto.InstanceID]bool{}
	for heard := false; ; {
		found, changed := n.roster.rivals(n.Name())
		if heard && len(found) == 0 {
			break
		}
		for _, m := range found {
			if !met[m.instance] {
				met[m.instance] = true
				n.meet(m)
			}
		}
		select {
		case <-n.lostClaim:
			return n.claimLost()
		case <-changed:
		case <-quiet.C:
			asked = settled
		case <-asked:
			heard, asked = true, nil
		case <-limit.C:
			n.takeName()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n.takeName()
	return nil
}

func (n *Node) claimLost() error {
	if !n.cfg.Rename {
		return ErrNameTaken
	}
	n.rename()
	n.takeName()
	return nil
}

// takeName holds the name from now on, and says so: who only asks so far is
// passed over by those who look for the name.
func (n *Node) takeName() {
	n.mu.Lock()
	n.nameTaken = time.Now()
	n.mu.Unlock()
	n.advertise()
}

// meet makes a link to another claimant of our name, so that both settle it.
func (n *Node) meet(m *member) {
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timers.Handshake)
		defer cancel()
		if _, err := n.reach(ctx, m, nil); err != nil {
			n.roster.doubt(m) // gone, or giving way
		}
	})
}

// contest watches for claimants of our name while the node runs.
func (n *Node) contest() {
	met := map[crypto.InstanceID]time.Time{}
	for {
		found, changed := n.roster.rivals(n.Name())
		for _, m := range found {
			if time.Since(met[m.instance]) >= heldTie {
				met[m.instance] = time.Now()
				n.meet(m)
			}
		}
		for id, at := range met {
			if time.Since(at) > time.Minute {
				delete(met, id)
			}
		}
		select {
		case <-changed:
		case <-n.closing:
			return
		}
	}
}
