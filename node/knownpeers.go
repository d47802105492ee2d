package node

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	statefile "github.com/fernmesh/fernmesh/node/internal/state"
)

// knownPeersFile is the file's name, and its kind in its first line.
const knownPeersFile = "known-peers"

// KnownPeer is a name with the one identity key that may stand behind it.
type KnownPeer struct {
	Name string
	Key  crypto.NodeKey
	// Pinned tells that somebody wrote it down; otherwise the node remembered
	// it at First, when it first met the name.
	Pinned bool
	First  time.Time
}

// KnownPeers are the names that a node, or the observers of a machine, know
// with their keys, kept in the file known-peers of the state directory. A node
// sees a change of the file at its next link. All methods are safe for concurrent
// use, by several processes too.
type KnownPeers struct {
	file   *statefile.File // nil: in memory only
	max    int
	report func(error) // of what is wrong with the file

	mu         sync.Mutex
	peers      map[string]KnownPeer
	unsaved    map[string]KnownPeer // remembered, but the file could not be written
	loaded     bool                 // the file was read once
	unreadable error                // why it could not be: it is then not overwritten
}

// OpenKnownPeers returns the known peers of the node of that name, or of the
// observers if name is "", under a Config.StateDir. The file need not be there.
func OpenKnownPeers(stateDir, network, name string) *KnownPeers {
	dir := (&Config{StateDir: stateDir, Network: network, Name: name, Observer: name == ""}).stateDir()
	return newKnownPeers(dir, Limits{}.withDefaults().KnownPeers, func(error) {})
}

// newKnownPeers keeps known peers in dir, or, if dir is "", in memory.
func newKnownPeers(dir string, max int, report func(error)) *KnownPeers {
	k := &KnownPeers{max: max, report: report, peers: map[string]KnownPeer{}, unsaved: map[string]KnownPeer{}}
	if dir != "" {
		k.file = statefile.New(filepath.Join(dir, knownPeersFile), knownPeersFile)
	}
	return k
}

// File is the file's path, or "" if known peers are kept in memory only.
func (k *KnownPeers) File() string {
	if k.file == nil {
		return ""
	}
	return k.file.Path()
}

// List returns the known peers in the order of their names. The error tells that
// the file could not be read in full.
func (k *KnownPeers) List() ([]KnownPeer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.refresh(false)
	list := make([]KnownPeer, 0, len(k.peers))
	for _, name := range slices.Sorted(maps.Keys(k.peers)) {
		list = append(list, k.peers[name])
	}
	return list, err
}

// Find returns what is known of a name.
func (k *KnownPeers) Find(name string) (p KnownPeer, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.refresh(false) // reported
	p, known = k.peers[name]
	return p, known
}

// Forget strikes a name, so that the next key that is seen for it is the first
// again, and tells whether it was known.
func (k *KnownPeers) Forget(name string) (known bool, err error) {
	err = k.change(func() bool {
		_, known = k.peers[name]
		delete(k.peers, name)
		delete(k.unsaved, name)
		return known
	})
	return known, err
}

// Pin writes down that the name stands for that key and no other.
func (k *KnownPeers) Pin(name string, key crypto.NodeKey) error {
	if err := wire.CheckName("name", name); err != nil {
		return err
	}
	if key.IsZero() {
		return errors.New("the zero key is not pinned")
	}
	full := false
	err := k.change(func() bool {
		_, known := k.peers[name]
		if full = !known && len(k.peers) >= k.max; !full {
			k.peers[name] = KnownPeer{Name: name, Key: key, Pinned: true}
		}
		return !full
	})
	if full {
		return errKnownPeersFull
	}
	return err
}

var errKnownPeersFull = errors.New("no more names can be remembered; forget some, or raise Limits.KnownPeers")

// meet returns the key that stands for a name: the one that was known, or else
// the one shown, which is remembered. Of two that come with different keys at
// once, one is first.
func (k *KnownPeers) meet(name string, shown crypto.NodeKey) (crypto.NodeKey, error) {
	if p, known := k.Find(name); known {
		return p.Key, nil
	}
	var key crypto.NodeKey
	var full error
	_ = k.change(func() bool { // reported; what cannot be written is remembered all the same
		if p, known := k.peers[name]; known { // meanwhile, perhaps by another process
			key = p.Key
			return false
		}
		if len(k.peers) >= k.max {
			full = errKnownPeersFull
			return false
		}
		p := KnownPeer{Name: name, Key: shown, First: time.Now().UTC().Truncate(time.Second)}
		k.peers[name], k.unsaved[name] = p, p
		key = shown
		return true
	})
	return key, full
}

// change reads the file, has f change the peers and, if f says that it did,
// writes them, as one step that other processes do not disturb.
func (k *KnownPeers) change(f func() bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		f()
		return nil
	}
	unlock := k.file.Lock()
	defer unlock()
	_ = k.refresh(true) // reported; a damaged file is written anew
	if !f() {
		return nil
	}
	return k.save()
}

// save writes the file. The caller holds mu.
func (k *KnownPeers) save() error {
	if k.unreadable != nil {
		return k.unreadable // what stands in it would be lost
	}
	lines := make([]string, 0, len(k.peers))
	for _, name := range slices.Sorted(maps.Keys(k.peers)) {
		lines = append(lines, k.peers[name].line())
	}
	if err := k.file.Save(lines); err != nil {
		k.report(err)
		return err
	}
	clear(k.unsaved)
	return nil
}

// refresh takes over what the file says, if it changed since it was last read. Of
// a damaged file counts what can be read, and what was known before: forgetting
// would let another key be the first. The caller holds mu, and, if locked, the
// file's lock.
func (k *KnownPeers) refresh(locked bool) error {
	if k.file == nil || k.loaded && !k.file.Changed() {
		return nil
	}
	if _, err := os.Lstat(k.file.Path()); err == nil && !locked { // reading alone makes no directory
		unlock := k.file.Lock()
		defer unlock()
	}
	read, err := k.read()
	k.loaded, k.unreadable = true, nil
	if err == nil {
		k.peers = read
		maps.Copy(k.peers, k.unsaved)
		return nil
	}
	k.report(err)
	maps.Copy(read, k.peers)
	k.peers = read
	var trouble *statefile.Trouble
	if errors.As(err, &trouble) && trouble.Kept == "" {
		k.unreadable = err
		return err
	}
	_ = k.save() // begins the new file; reported
	return err
}

// read reads the file.
func (k *KnownPeers) read() (map[string]KnownPeer, error) {
	read := map[string]KnownPeer{}
	err := k.file.Load(func(line string) error {
		p, err := parseKnownPeer(line)
		switch {
		case err != nil:
			return err
		case read[p.Name].Name != "":
			return errors.New("the name stands there twice")
		case len(read) >= k.max:
			return errKnownPeersFull
		}
		read[p.Name] = p
		return nil
	})
	return read, err
}

// line is a known peer in the file: its name, quoted where it must be, its key,
// and how it came there.
func (p KnownPeer) line() string {
	how := "pinned"
	if !p.Pinned {
		how = "first " + p.First.UTC().Format(time.RFC3339)
	}
	return quoteName(p.Name) + " " + p.Key.String() + " " + how
}

// parseKnownPeer reads a line. "NAME KEY" alone, as somebody writes it, is a pin.
func parseKnownPeer(line string) (KnownPeer, error) {
	name, rest, err := unquoteName(line)
	if err != nil {
		return KnownPeer{}, err
	}
	if err := wire.CheckName("name", name); err != nil {
		return KnownPeer{}, err
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return KnownPeer{}, errors.New("after the name comes its key, \"node:…\"")
	}
	p := KnownPeer{Name: name, Pinned: true}
	if p.Key, err = crypto.ParseNodeKey(words[0]); err != nil {
		return KnownPeer{}, err
	}
	switch how := words[1:]; {
	case len(how) == 0, len(how) == 1 && how[0] == "pinned":
		return p, nil
	case len(how) == 2 && how[0] == "first":
		p.Pinned = false
		p.First, err = time.Parse(time.RFC3339, how[1])
		return p, err
	}
	return KnownPeer{}, errors.New("after the key comes nothing, \"pinned\", or \"first\" and a time")
}
