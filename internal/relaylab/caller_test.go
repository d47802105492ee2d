package relaylab_test

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest/netlab"
	"github.com/fernmesh/fernmesh/node"
	"github.com/fernmesh/fernmesh/sockets"
)

// caller is a node in this process, on the host at home, that has relays alone:
// for more calls than programs can be started.
func (s *site) caller(name string) *node.Node {
	s.t.Helper()
	ring, err := crypto.LoadRing(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := node.New(node.Config{
		Name: name, Network: s.network, Keys: ring, NoLAN: true, Relays: s.relays, Net: &hostNet{sockets.System(), s.home},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := n.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = n.Shutdown(context.Background()) }) // its calls are done
	return n
}

// callOften makes calls, one after the other, all of which must go through a
// relay and come back right.
func (s *site) callOften(n *node.Node, callee, argument string, times int) {
	s.t.Helper()
	began := time.Now()
	for i := range times {
		var got string
		reply, err := n.Call(s.t.Context(), callee, "text.upper", node.Args(argument))
		if err == nil {
			err = reply.Decode(&got)
		}
		if err != nil || got != strings.ToUpper(argument) || reply.Path.Kind != "relay" {
			s.t.Fatalf("call %d gave %q, %v", i, got, err)
		}
	}
	s.t.Logf("%d calls through the relay in %v", times, time.Since(began))
}

// hostNet has this process dial from a host of the lab; the rest of the network
// is not to be used.
type hostNet struct {
	sockets.Net
	host *netlab.Host
}

func (n *hostNet) Dial(ctx context.Context, address string) (conn net.Conn, err error) {
	n.host.Enter(func() { conn, err = new(net.Dialer).DialContext(ctx, "tcp4", address) })
	return conn, err
}
