package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/policy"
)

// policyFile is the file of a node's policy with what was last seen of it.
type policyFile struct {
	name string

	mu   sync.Mutex // held while the file is read, so that texts come into force in their order
	info fs.FileInfo
	sum  [sha256.Size]byte
	lost bool // it could not be read when last looked at
}

// load reads the policy for the first time.
func (f *policyFile) load() (*policy.Policy, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := f.read()
	if err != nil {
		return nil, err
	}
	return policy.Parse(data)
}

// read reads the file and notes what was seen. The caller holds mu.
func (f *policyFile) read() ([]byte, error) {
	info, err := os.Stat(f.name)
	if err != nil {
		return nil, err
	}
	data, err := policy.ReadFile(f.name)
	if err != nil {
		return nil, err
	}
	f.info, f.sum, f.lost = info, sha256.Sum256(data), false
	return data, nil
}

// coarse is for how long after a change a file's time may stay the same
// although the file changes again: some file systems count in seconds.
const coarse = 3 * time.Second

// untouched tells whether the file is certain to hold what was read last. The
// caller holds mu.
func (f *policyFile) untouched() bool {
	info, err := os.Stat(f.name)
	return err == nil && !f.lost && os.SameFile(info, f.info) && info.Size() == f.info.Size() &&
		info.ModTime().Equal(f.info.ModTime()) && time.Since(info.ModTime()) > coarse
}

// watchPolicy brings changes of the policy file into force until the node shuts
// down. It looks again and again: notices of file systems differ everywhere and
// miss files that are replaced, links and network drives.
func (n *Node) watchPolicy() {
	tick := time.NewTicker(n.cfg.Timers.PolicyPoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.lookAtPolicy()
		case <-n.closing:
			return
		}
	}
}

// lookAtPolicy reloads the policy if its file has changed.
func (n *Node) lookAtPolicy() {
	f := n.policy
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.untouched() {
		return
	}
	sum, lost := f.sum, f.lost
	data, err := f.read()
	if err != nil {
		if f.lost = true; !lost {
			_ = n.enforce(nil, err) // told by event, log and counter
		}
		return
	}
	if f.sum != sum || lost {
		_ = n.enforce(data, nil)
	}
}

// errNoPolicyFile answers a reload where there is nothing to read.
var errNoPolicyFile = errors.New("the node has no policy file; set Config.PolicyFile")

// ReloadPolicy reads the policy file now and brings it into force, for calls
// that come from now on. On error the rules before stay in force: it is a
// [*policy.SyntaxError] or says why the file cannot be read. Callers keep what
// they have used up under rules whose text is the same.
func (n *Node) ReloadPolicy() error {
	if n.policy == nil {
		return errNoPolicyFile
	}
	n.policy.mu.Lock()
	defer n.policy.mu.Unlock()
	data, err := n.policy.read()
	return n.enforce(data, err)
}

// enforce brings a text into force, and tells about it either way. The caller
// holds policy.mu.
func (n *Node) enforce(data []byte, err error) error {
	var p *policy.Policy
	if err == nil {
		p, err = policy.Parse(data)
	}
	name := n.policy.name
	if err != nil {
		n.count.PolicyReloadsFailed.Add(1)
		n.cfg.Logger.Warn("the policy file is broken; the rules before it stay in force", "error", brief(name, err))
		n.events.emit(Event{Kind: PolicyChanged, Reason: "broken, the rules before it stay in force: " + brief(name, err)})
		return fmt.Errorf("policy %s: %w", name, err)
	}
	n.gate.Replace(p)
	n.count.PolicyReloads.Add(1)
	n.cfg.Logger.Info("the policy file changed and is in force", "file", name, "rules", p.Len())
	n.events.emit(Event{Kind: PolicyChanged, Reason: fmt.Sprintf("in force: %s, %d rules", name, p.Len())})
	return nil
}

// brief is an error of a policy file on one line.
func brief(file string, err error) string {
	var syntax *policy.SyntaxError
	if !errors.As(err, &syntax) {
		return err.Error() // names the file
	}
	first := syntax.Problems[0]
	text := fmt.Sprintf("%s:%d: %s", file, first.Line, first.Text)
	if more := len(syntax.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
