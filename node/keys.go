package node

import (
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// ring is the network's keys as a node uses them. It never changes: SetKeys
// puts another in its place.
type ring struct {
	usable  []*crypto.Schedule // the active one first
	retired []*crypto.Schedule // open nothing, and name the error of those who still use them
}

func newRing(keys crypto.KeyRing, network string) *ring {
	r := &ring{}
	for _, k := range keys.Usable() {
		r.usable = append(r.usable, crypto.Derive(k, network))
	}
	for _, k := range keys.Retired() {
		r.retired = append(r.retired, crypto.Derive(k, network))
	}
	return r
}

func (r *ring) opens(id [8]byte) bool {
	return slices.ContainsFunc(r.usable, func(s *crypto.Schedule) bool { return s.KeyID() == id })
}

// keyring is the present ring.
func (n *Node) keyring() *ring {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ring
}

// SetKeys replaces the network's key ring, also while the node runs. Links made
// under a key that the new ring does not use any more get Timers.Drain for the
// calls under way and are closed; links under a key that is still accepted live
// on until they are renewed. Rooms of relays are joined and left accordingly.
//
// To change a network's key without losing a call: add the new key on every node,
// promote it on every node, retire the old one on every node, waiting after each
// step until the last node has it. The error is that of [crypto.KeyRing.Check];
// the old ring is then still in use.
func (n *Node) SetKeys(keys crypto.KeyRing) error {
	if err := keys.Check(); err != nil {
		return &ConfigError{"Keys", err.Error(), "correct the key ring; the node goes on with the old one"}
	}
	next := newRing(keys, n.cfg.Network)
	n.mu.Lock()
	n.ring = next
	disc, running := n.disc, n.state == stateStarting || n.state == stateRunning
	n.mu.Unlock()
	if disc != nil {
		if err := disc.SetKeys(next.usable); err != nil {
			return err
		}
	}
	if running {
		n.rejoin(next)
		n.endRetired(next)
	}
	n.events.emit(Event{Kind: KeysChanged, Reason: keys.String()})
	return nil
}

// rejoin opens a line for each key and relay that has none, and gives up the
// lines of keys that are gone.
func (n *Node) rejoin(r *ring) {
	var gone []*line
	n.mu.Lock()
	addresses := slices.Clone(n.relays)
	n.lines = slices.DeleteFunc(n.lines, func(l *line) bool {
		if l.learned && !slices.Contains(addresses, l.address) {
			addresses = append(addresses, l.address)
		}
		stale := !r.opens(l.schedule.KeyID())
		if stale {
			gone = append(gone, l)
		}
		return stale
	})
	n.mu.Unlock()
	for _, address := range addresses {
		n.openLine(address, !slices.Contains(n.relays, address))
	}
	if len(gone) == 0 {
		return
	}
	n.spawn(func() { // their sessions drain first
		timer := time.NewTimer(n.cfg.Timers.Drain)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-n.closing:
		}
		for _, l := range gone {
			l.stop()
		}
	})
}

// endRetired parts from every session whose key is not in use any more.
func (n *Node) endRetired(r *ring) {
	for _, s := range n.roster.all() {
		if !r.opens(s.peer.KeyID) {
			n.part(s, parted{code: byeNotNeeded, text: "its network key is retired"})
		}
	}
}
