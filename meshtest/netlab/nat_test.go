package netlab_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
)

func TestNATBoxLetsOutAndNotIn(t *testing.T) {
	lab := netlab.New(t)
	inside, outside := lab.Bridge("10.77.0.0/24"), lab.Bridge("198.51.100.0/24")
	box := lab.NATBox("box", inside, outside)
	home, far := lab.Host("home", inside), lab.Host("far", outside)
	home.RouteVia(box)
	far.RouteVia(box) // even one who knows the way is not let in
	lab.WaitUsable()
	if got := sourceOf(t, home, far); got != box.Addrs()[1] {
		t.Errorf("outside, home looks like %v, want the box's %v", got, box.Addrs()[1])
	}
	if err := reach(far, serve(t, home), home.Addrs()[0], 300*time.Millisecond); err == nil {
		t.Error("a stranger outside reached a host inside")
	}
}

// sourceOf connects two hosts and returns the address that the callee sees.
func sourceOf(t *testing.T, from, to *netlab.Host) netip.Addr {
	t.Helper()
	var l net.Listener
	var err error
	to.Enter(func() { l, err = net.Listen("tcp4", "0.0.0.0:0") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := reach(from, l, to.Addrs()[0], 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept() // it waits in the backlog
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}
