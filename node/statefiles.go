package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fernmesh/fernmesh/crypto"
)

// stateDir is the node's own state directory, or "" if it keeps nothing.
func (c *Config) stateDir() string {
	if c.StateDir == "" {
		return ""
	}
	who := pathSegment(c.Name)
	if c.Observer {
		who = observerState
	}
	return filepath.Join(c.StateDir, pathSegment(c.Network), who)
}

// maxTroubles is how many troubles with files of state are kept to be asked for.
const maxTroubles = 16

// stateTrouble tells by event, log and counter that a file of state cannot be
// used. The node goes on. What happens before Start is told by event at the start,
// since hardly anybody can listen before.
func (n *Node) stateTrouble(err error) {
	n.count.StateTroubles.Add(1)
	n.cfg.Logger.Warn("a file of the node's state cannot be used; the node goes on", "error", err)
	n.mu.Lock()
	if len(n.troubles) < maxTroubles {
		n.troubles = append(n.troubles, err)
	}
	early := n.state == stateNew
	n.mu.Unlock()
	if !early {
		n.events.emit(Event{Kind: StateTrouble, Reason: err.Error()})
	}
}

// tellTroubles emits what went wrong with files of state before Start.
func (n *Node) tellTroubles() {
	for _, err := range n.StateTroubles() {
		n.events.emit(Event{Kind: StateTrouble, Reason: err.Error()})
	}
}

// StateTroubles returns what went wrong with files of the state directory, each
// error with the file's name, the first 16 of this node's life.
func (n *Node) StateTroubles() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.troubles)
}

// openIdentity returns the configured identity, the one kept in the state
// directory, or a new one in memory. A damaged file is kept aside and a new
// identity made: to others this is then another node, so it is told loudly. One
// that others can read is an error, since somebody may have copied it.
func (n *Node) openIdentity() (*crypto.Identity, error) {
	dir := n.cfg.stateDir()
	if n.cfg.Identity != nil {
		return n.cfg.Identity, nil
	}
	if dir == "" {
		return crypto.NewIdentity(), nil
	}
	path := filepath.Join(dir, "identity.key")
	id, err := crypto.LoadOrCreateIdentity(path)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, crypto.ErrBadIdentity):
		kept := path + ".bad"
		if moved := os.Rename(path, kept); moved != nil {
			n.stateTrouble(fmt.Errorf("%w; it could not be moved aside: %w; the node has a new identity until it ends", err, moved))
			return crypto.NewIdentity(), nil
		}
		n.stateTrouble(fmt.Errorf("%w; it is kept as %s, and the node has a new identity now", err, kept))
		if id, err = crypto.LoadOrCreateIdentity(path); err == nil {
			return id, nil
		}
	case errors.Is(err, crypto.ErrKeyFile):
		return nil, err
	}
	n.stateTrouble(fmt.Errorf("identity file %s: %w; the node has a new identity until it ends", path, err))
	return crypto.NewIdentity(), nil
}

// quoteName writes a name as one word.
func quoteName(name string) string {
	plain := !strings.HasPrefix(name, "#") && !strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c == '"' || c == '\\' || c == '\u00a0' || !strconv.IsPrint(c)
	})
	if plain && strings.Join(strings.Fields(name), " ") == name {
		return name
	}
	return strconv.QuoteToASCII(name)
}

// unquoteName reads what quoteName wrote at the beginning of a line.
func unquoteName(line string) (name, rest string, err error) {
	if !strings.HasPrefix(line, `"`) {
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			at = len(line)
		}
		return line[:at], line[at:], nil
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", "", errors.New("the name's quotes do not end")
	}
	name, err = strconv.Unquote(quoted)
	return name, line[len(quoted):], err
}
