package rpc

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// A large call gets more credit than it began with as soon as it is known not to
// be a stream's: the window of a stream bounds memory.
func TestWindowOfALargeCallGetsWiderAndAStreamsDoesNot(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags uint8
		link  int
		wide  bool
	}{
		{"call", 0, wire.LinkCreditLAN, true},
		{"call over a narrow link", 0, 2 * wire.CallCredit, false},
		{"stream", wire.CallStream, wire.LinkCreditLAN, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bob := newParty(t, "bob", ServerConfig{})
				bob.handle(t, "large", func(context.Context, *commands.Call) (any, error) { return 1, nil })
				ev, c := newEvil(t, bob, Config{LinkCredit: test.link})
				body := wire.AppendCallBody(nil, wire.Call{Path: "large", Flags: test.flags, Args: make([]byte, wire.CallCredit)})
				for at := 0; at < wire.CallCredit/2; at += wire.MaxChunk {
					ev.chunk(1, wire.ChunkCall, body[at:][:wire.MaxChunk])
				}
				synctest.Wait()
				c.mu.Lock()
				defer c.mu.Unlock()
				credit, owed := c.served[1].in.credit, c.served[1].in.owed
				if wide := credit > wire.CallCredit; wide != test.wide {
					t.Errorf("it may send %d bytes, want more than %d: %v", credit, wire.CallCredit, test.wide)
				}
				if !test.wide && credit+owed > wire.CallCredit {
					t.Errorf("it may send %d bytes with what is owed", credit+owed)
				}
			})
		})
	}
}
