package node

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// openStream opens a byte stream to a command.
func openStream(t *testing.T, n *Node, target, path string) *rpc.Stream {
	t.Helper()
	m, err := n.resolve(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.reach(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := s.conn.Open(t.Context(), rpc.Request{ID: n.ids.next(s.peer.Hello.Instance), Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// mirror sends back what it reads, until the other side has ended.
func mirror(_ context.Context, c *commands.Call) (any, error) {
	buf := make([]byte, 1024)
	if err := c.Pipe.Open(); err != nil {
		return nil, err
	}
	for {
		n, err := c.Pipe.Read(nil, buf)
		if err != nil {
			return nil, nil
		}
		if _, err := c.Pipe.Write(nil, buf[:n]); err != nil {
			return nil, err
		}
	}
}

func wantEcho(t *testing.T, s *rpc.Stream) {
	t.Helper()
	buf := make([]byte, 8)
	if _, err := s.Write(nil, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Read(nil, buf); err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("%q %v", buf[:n], err)
	}
}

func TestStreamsAreGatedAndHoldTheirPlaceToTheEnd(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "web: allow * on __dial__.web concurrency=1", "tunnels: deny * on __dial__.**"))
		a := m.start("a")
		for _, service := range []string{"__dial__.web", "__dial__.ssh"} {
			handle(t, b, service, mirror, commands.Force())
		}
		refused := func(path string, code commands.Code, rule string) {
			t.Helper()
			_, err := openStream(t, a, "b", path).Result()
			if e := failure(t, err); e.Code != code || e.Executed != commands.ExecutedNo || e.Details["rule"] != rule {
				t.Fatalf("%s: %v %v, want %s by %s", path, e, e.Details, code, rule)
			}
		}
		refused("__dial__.ssh", commands.PermissionDenied, "tunnels")

		first := openStream(t, a, "b", "__dial__.web")
		wantEcho(t, first)
		refused("__dial__.web", commands.ResourceExhausted, "web")
		wantEcho(t, first)
		if err := first.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Result(); err != nil {
			t.Fatal(err)
		}

		second := openStream(t, a, "b", "__dial__.web")
		wantEcho(t, second)
		second.Cancel()
		synctest.Wait()
		third := openStream(t, a, "b", "__dial__.web")
		wantEcho(t, third)
		third.Cancel()
	})
}
