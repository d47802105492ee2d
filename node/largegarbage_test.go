package node

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// What a large call encodes lies in buffers that later calls use: each call leaves
// no more behind than the argument and the value, which their takers may keep, and
// the outcome that the callee keeps. The network of the test copies what it carries,
// and keeps what came: three more.
func TestLargeCallsLeaveLittleGarbage(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop some of what they are given")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties the pools
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		b := m.start("b")
		mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[commands.Raw](c, 0) }
		if err := b.Commands().Handle("mirror", mirror); err != nil {
			t.Fatal(err)
		}
		const size, calls = 1 << 20, 8
		value, err := commands.EncodeArgs([]any{make([]byte, size)})
		if err != nil {
			t.Fatal(err)
		}
		call := func() {
			if _, err := a.Call(t.Context(), "b", "mirror", Args(commands.Raw(value))); err != nil {
				t.Fatal(err)
			}
		}
		call() // fills the pools
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			call()
		}
		runtime.ReadMemStats(&after)
		if each := float64(after.TotalAlloc-before.TotalAlloc) / calls / size; each > 6.5 {
			t.Errorf("a call leaves %.1f times its payload behind", each)
		}
	})
}
