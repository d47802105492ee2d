package node

import (
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

// FuzzKnownPeer checks that a line that is read is written as one that means the same.
func FuzzKnownPeer(f *testing.F) {
	key := crypto.NodeKey{1}.String()
	f.Add("kitchen " + key)
	f.Add(`"living room" ` + key + " pinned")
	f.Add("b " + key + " first 2026-11-21T13:50:00Z")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parseKnownPeer(line)
		if err != nil {
			return
		}
		again, err := parseKnownPeer(p.line())
		if err != nil || again.Name != p.Name || again.Key != p.Key || again.Pinned != p.Pinned {
			t.Fatalf("%q is %+v, written as %q: %+v, %v", line, p, p.line(), again, err)
		}
	})
}
