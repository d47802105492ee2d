package node

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"

	statefile "github.com/fernmesh/fernmesh/node/internal/state"
	"github.com/fernmesh/fernmesh/relay"
)

// learnedRelaysFile is the file's name, and its kind in its first line.
const learnedRelaysFile = "learned-relays"

// relayBook keeps the relays that a node learned over restarts: at most
// maxLearned, the latest first. Those that do not work now go to the end, but
// stay: the node may only be offline.
type relayBook struct {
	file   *statefile.File
	report func(error)

	mu     sync.Mutex // held while the file is written, so that the latest list is the last
	relays []relay.Address
}

// openRelayBook reads the relays that were learned in an earlier life. Observers
// live for a moment and keep none.
func (n *Node) openRelayBook() {
	dir := n.cfg.stateDir()
	if dir == "" || n.cfg.Observer {
		return
	}
	b := &relayBook{file: statefile.New(filepath.Join(dir, learnedRelaysFile), learnedRelaysFile), report: n.stateTrouble}
	if err := b.file.Load(b.take); err != nil {
		b.report(err)
		b.save()
	}
	for _, a := range b.relays {
		if !slices.ContainsFunc(n.relays, func(c relay.Address) bool { return c.Authority == a.Authority }) {
			n.learned = append(n.learned, a)
		}
	}
	n.relayBook = b
}

// take reads a line of the file: an address with its pin.
func (b *relayBook) take(line string) error {
	a, err := relay.ParseAddress(line)
	switch {
	case err != nil:
		return err
	case !a.Pinned:
		return errors.New("the relay's id is missing")
	case len(b.relays) < maxLearned && !slices.Contains(b.relays, a):
		b.relays = append(b.relays, a)
	}
	return nil
}

// add puts a relay to the front. A nil book keeps nothing.
func (b *relayBook) add(a relay.Address) {
	b.change(func() {
		b.relays = slices.Insert(b.without(a), 0, a)
		b.relays = b.relays[:min(len(b.relays), maxLearned)]
	})
}

// demote puts a relay that does not work to the end.
func (b *relayBook) demote(a relay.Address) {
	b.change(func() {
		if slices.Contains(b.relays, a) {
			b.relays = append(b.without(a), a)
		}
	})
}

func (b *relayBook) without(a relay.Address) []relay.Address {
	return slices.DeleteFunc(slices.Clone(b.relays), func(o relay.Address) bool { return o == a })
}

// change writes the list if f made it another.
func (b *relayBook) change(f func()) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.relays
	if f(); !slices.Equal(before, b.relays) {
		b.save()
	}
}

func (b *relayBook) save() {
	lines := make([]string, 0, len(b.relays))
	for _, a := range b.relays {
		lines = append(lines, a.String())
	}
	if err := b.file.Save(lines); err != nil {
		b.report(err)
	}
}
