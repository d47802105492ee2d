package node

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// freeUDPPort finds a port for the adverts of one test.
func freeUDPPort(t testing.TB) int {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// onLoopback starts nodes on the machine's own loopback interface.
func onLoopback(t testing.TB, names ...string) []*Node {
	t.Helper()
	return onLoopbackWith(t, func(*Config) {}, names...)
}

// running starts a node, which is shut down at the end of the test.
func running(t testing.TB, cfg Config) *Node {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

// onLoopbackWith is onLoopback for nodes with another configuration.
func onLoopbackWith(t testing.TB, set func(*Config), names ...string) []*Node {
	t.Helper()
	key, port := crypto.Ring(crypto.GenerateKey()), freeUDPPort(t)
	nodes := make([]*Node, len(names))
	for i, name := range names {
		cfg := Config{
			Name: name, Network: "loopback", Keys: key, AdvertPort: port,
			Interfaces: []string{"lo*"}, Listen: "127.0.0.1:0", NoMDNS: true,
		}
		set(&cfg)
		nodes[i] = running(t, cfg)
	}
	return nodes
}

func TestRealSocketsOnLoopback(t *testing.T) {
	nodes := onLoopback(t, "a", "b")
	a, b := nodes[0], nodes[1]
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	size := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) }
	if err := b.Commands().Handle("mirror", size); err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("fern"), 10<<20/4)
	reply, err := a.Call(ctx, "b", "mirror", Args(payload))
	if err != nil {
		t.Fatal(err)
	}
	var back []byte
	if err := reply.Decode(&back); err != nil || !bytes.Equal(back, payload) {
		t.Errorf("10 MiB did not come back unchanged: %d bytes, %v", len(back), err)
	}
	pong, err := b.Ping(ctx, "a")
	if err != nil || pong.Path.Kind != "lan" || pong.RTT <= 0 {
		t.Errorf("Ping: %+v, %v", pong, err)
	}
	if err := a.Gather(ctx, Everyone, "__echo__").Err(); err != nil {
		t.Error(err)
	}
}
