package node

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
)

func TestMain(m *testing.M) {
	if play() {
		return
	}
	goleak.VerifyTestMain(m)
}

// mesh is a virtual LAN with nodes on it, inside a synctest bubble.
type mesh struct {
	t     *testing.T
	world *meshtest.World
	lan   *meshtest.LAN
	key   crypto.Key
	hosts int
	known map[string]*meshtest.Host // the latest host of each name
	homes sync.Map                  // the host of each node that startOn brought up
}

// homeOf is the host of a node that startOn brought up.
func (m *mesh) homeOf(n *Node) *meshtest.Host {
	m.t.Helper()
	h, ok := m.homes.Load(n)
	if !ok {
		m.t.Fatalf("%s was not started by the mesh", n.Name())
	}
	return h.(*meshtest.Host)
}

// inMesh runs a test in a bubble with a fresh LAN.
func inMesh(t *testing.T, f func(t *testing.T, m *mesh)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		f(t, &mesh{t: t, world: w, lan: w.LAN("home", "10.1.0.0/24"), key: crypto.GenerateKey(), known: map[string]*meshtest.Host{}})
	})
}

func (m *mesh) config(name string, net sockets.Net) Config {
	return Config{Name: name, Network: "test", Keys: crypto.Ring(m.key), Net: net}
}

// host makes a host of its own for a node.
func (m *mesh) host(name string) *meshtest.Host {
	m.hosts++
	h := m.world.Host(fmt.Sprintf("%s-%d", name, m.hosts), m.lan)
	m.known[name] = h
	return h
}

// start brings a node up on a host of its own; set changes its configuration.
func (m *mesh) start(name string, set ...func(*Config)) *Node {
	m.t.Helper()
	return m.startOn(m.host(name), name, set...)
}

func (m *mesh) startOn(h *meshtest.Host, name string, set ...func(*Config)) *Node {
	m.t.Helper()
	cfg := m.config(name, h)
	for _, f := range set {
		f(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		m.t.Fatalf("New(%s): %v", name, err)
	}
	if err := n.Start(m.t.Context()); err != nil {
		m.t.Fatalf("Start(%s): %v", name, err)
	}
	m.homes.Store(n, h)
	m.t.Cleanup(func() { shutdown(m.t, n) })
	return n
}

func shutdown(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown(%s): %v", n.Name(), err)
	}
}

// handle registers a command or fails the test.
func handle(t *testing.T, n *Node, path string, h commands.Handler, opts ...commands.Option) {
	t.Helper()
	if err := n.Commands().Handle(path, h, opts...); err != nil {
		t.Fatal(err)
	}
}

// failure is the *commands.Error in err, or fails the test.
func failure(t *testing.T, err error) *commands.Error {
	t.Helper()
	e, ok := err.(*commands.Error)
	if !ok {
		t.Fatalf("error is %T (%v), want *commands.Error", err, err)
	}
	return e
}

// wantValue calls and compares the answer.
func wantValue(t *testing.T, n *Node, target, path string, want any, opts ...CallOption) {
	t.Helper()
	reply, err := n.Call(t.Context(), target, path, opts...)
	if err != nil {
		t.Fatalf("Call(%s, %s): %v", target, path, err)
	}
	got, err := reply.Value()
	if err != nil || got != want {
		t.Fatalf("Call(%s, %s) = %v, %v; want %v", target, path, got, err, want)
	}
}

func answer(v any) commands.Handler {
	return func(context.Context, *commands.Call) (any, error) { return v, nil }
}
