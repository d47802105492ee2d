package node

import (
	"path/filepath"
	"strings"

	"github.com/fernmesh/fernmesh/crypto"
)

// observerState is the directory of observers, which have no name of their own.
const observerState = "cli"

// identity returns the configured identity, the one kept in the state
// directory, or a new one in memory.
func (c *Config) identity() (*crypto.Identity, error) {
	if c.Identity != nil {
		return c.Identity, nil
	}
	if c.StateDir == "" {
		return crypto.NewIdentity(), nil
	}
	who := pathSegment(c.Name)
	if c.Observer {
		who = observerState
	}
	return crypto.LoadOrCreateIdentity(filepath.Join(c.StateDir, pathSegment(c.Network), who, "identity.key"))
}

// pathSegment makes a name safe as one directory: names may hold '/' and other
// characters that file systems give a meaning. Different names stay different.
func pathSegment(name string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '~', c >= 0x80:
			b.WriteByte(c)
		default: // upper case too, for file systems that fold it
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
