package node

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// calleeVariable gives TestCalleeProcess the ring key.
const calleeVariable = "FERNMESH_TEST_CALLEE"

// calleeProcess runs this binary as the node "callee", so that what is measured of
// it is its own, and returns a node with a link to it. A benchmark that wants a
// profile of the callee names the flags for it in flags.
func calleeProcess(t testing.TB, flags ...string) (caller *Node, callee *exec.Cmd) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	key := crypto.GenerateKey()
	callee = exec.Command(exe, append([]string{"-test.run=^TestCalleeProcess$"}, flags...)...)
	callee.Env = append(os.Environ(), calleeVariable+"="+key.Reveal())
	callee.Stderr = os.Stderr
	in, err := callee.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := callee.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := callee.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := callee.Wait(); err != nil {
			t.Error("the callee:", err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the callee said no address:", err)
	}
	caller, err = New(Config{
		Name: "caller", Network: "loopback", Keys: crypto.Ring(key),
		Peers: []string{strings.TrimSpace(addr)}, NoLAN: true, NoMDNS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutDownSoon(t, caller) })
	if _, err := caller.Call(context.Background(), "callee", "allocations"); err != nil {
		t.Fatal(err)
	}
	return caller, callee
}

func shutDownSoon(t testing.TB, n *Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestCalleeProcess is the other process of calleeProcess, and nothing else.
func TestCalleeProcess(t *testing.T) {
	text := os.Getenv(calleeVariable)
	if text == "" {
		return
	}
	key, err := crypto.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Config{Name: "callee", Network: "loopback", Keys: crypto.Ring(key), Listen: "127.0.0.1:0", NoLAN: true, NoMDNS: true})
	if err != nil {
		t.Fatal(err)
	}
	tree := n.Commands()
	raw := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[commands.Raw](c, 0) }
	type one struct{ Payload commands.Raw }
	typed := func(_ context.Context, in one) (commands.Raw, error) { return in.Payload, nil }
	for _, err := range []error{
		tree.Handle("raw", raw),
		tree.Handle("raw inline", raw, commands.Inline()),
		commands.Func(tree, "typed", typed),
		commands.Func(tree, "typed inline", typed, commands.Inline()),
		tree.Handle("allocations", func(context.Context, *commands.Call) (any, error) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.Mallocs, nil
		}),
		tree.Handle("cpu", func(context.Context, *commands.Call) (any, error) { return usedCPU(), nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(n.Addr().String() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the other process has enough
	shutDownSoon(t, n)
}

// calleeAllocations is how many objects the callee has allocated so far.
func calleeAllocations(t testing.TB, caller *Node) uint64 {
	t.Helper()
	return askCallee[uint64](t, caller, "allocations")
}

func askCallee[T any](t testing.TB, caller *Node, command string) (value T) {
	t.Helper()
	reply, err := caller.Call(context.Background(), "callee", command)
	if err == nil {
		err = reply.Decode(&value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestCalleeAllocations bounds what a small call costs the process that serves it.
func TestCalleeAllocations(t *testing.T) {
	caller, _ := calleeProcess(t)
	payload, err := commands.EncodeValue(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	const calls = 2000
	for command, most := range map[string]float64{"raw": 8, "raw inline": 7, "typed": 11, "typed inline": 10} {
		if raceEnabled {
			most *= 2 // a sync.Pool drops some of what it is given
		}
		call := func(n int) {
			for range n {
				if _, err := caller.Call(context.Background(), "callee", command, Args(commands.Raw(payload))); err != nil {
					t.Fatal(err)
				}
			}
		}
		call(calls / 4) // what grows to its size has grown
		before := calleeAllocations(t, caller)
		call(calls)
		each := float64(calleeAllocations(t, caller)-before) / calls
		t.Logf("%s: %.2f allocations", command, each)
		if each > most {
			t.Errorf("%s: a call costs the callee %.2f allocations, more than %.0f", command, each, most)
		}
	}
}
