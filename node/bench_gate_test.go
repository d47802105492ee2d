package node

import (
	"context"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/policy"
)

// BenchmarkGate measures what the policy adds to a call on the callee: the
// chain of a call to a command that does nothing, without a network.
func BenchmarkGate(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"no policy", ""},
		{"first rule", "allow name:a on lights.**"},
		{"twentieth rule", strings.Repeat("deny name:x on door.**\n", 19) + "allow name:a on lights.**"},
		{"rate", "allow name:a on lights.** rate=1000000/s burst=1000000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := Config{Name: "b", Network: "test", Keys: crypto.Ring(crypto.GenerateKey())}
			if c.text != "" {
				p, err := policy.Parse([]byte(c.text))
				if err != nil {
					b.Fatal(err)
				}
				cfg.Policy = p
			}
			n, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			if err := n.Commands().Handle("lights.set", answer(nil)); err != nil {
				b.Fatal(err)
			}
			cmd, missing := n.tree.Find("lights.set")
			if missing != nil {
				b.Fatal(missing)
			}
			call := &commands.Call{Path: cmd.Path(), Caller: commands.Caller{Name: "a", Path: "lan"}}
			b.ReportAllocs()
			for b.Loop() {
				n.chain(context.Background(), cmd, call, func(_ []byte, err *commands.Error) {
					if err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}
