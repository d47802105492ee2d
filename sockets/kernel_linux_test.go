package sockets_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
	"github.com/fernmesh/fernmesh/sockets"
)

var group6 = netip.MustParseAddr("ff02::3376")

// listOn lists the interfaces of a host of a lab.
func listOn(t *testing.T, h *netlab.Host) (all []sockets.Interface) {
	t.Helper()
	var err error
	h.Enter(func() { all, err = sockets.System().Interfaces() })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// named is the interface of a name; namespaces may have tunnels besides lo.
func named(t *testing.T, all []sockets.Interface, name string) sockets.Interface {
	t.Helper()
	i := slices.IndexFunc(all, func(i sockets.Interface) bool { return i.Name == name })
	if i < 0 {
		t.Fatalf("no interface %s in %v", name, all)
	}
	return all[i]
}

// sharerOn opens the advertiser port on a host, a member of the group on every
// interface.
func sharerOn(t *testing.T, h *netlab.Host, group netip.Addr) <-chan heard {
	t.Helper()
	cfg := sockets.Shared{Port: 3376, IPv6: group.Is6()}
	for _, i := range listOn(t, h) {
		if !i.Up {
			continue
		}
		cfg.Groups = append(cfg.Groups, sockets.Group{Interface: i, Addr: group})
	}
	var p sockets.Packets
	var err error
	h.Enter(func() { p, err = sockets.System().ListenShared(context.Background(), cfg) })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.JoinErrors(); err != nil {
		t.Fatal(err)
	}
	return listen(t, p)
}

// speakerOn opens a socket on an address of an interface of a host.
func speakerOn(t *testing.T, h *netlab.Host, ifc sockets.Interface, addr netip.Addr) sockets.Packets {
	t.Helper()
	var p sockets.Packets
	var err error
	h.Enter(func() { p, err = sockets.System().ListenOn(context.Background(), ifc, addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// next is the next datagram of a channel.
func next(t *testing.T, ch <-chan heard) heard {
	t.Helper()
	select {
	case d := <-ch:
		return d
	case <-time.After(5 * time.Second):
		t.Fatal("nothing heard")
		panic("unreachable")
	}
}

func TestS4_22_GroupsReachALANOfEachFamily(t *testing.T) {
	lab := netlab.New(t)
	four, six := lab.Bridge("10.77.0.0/24"), lab.Bridge("fe80::/64")
	a, b := lab.Host("a", four, six), lab.Host("b", six, four)
	lab.WaitUsable()
	ofA, ofB := listOn(t, a), listOn(t, b)
	a4, a6, b6 := named(t, ofA, "eth0"), named(t, ofA, "eth1"), named(t, ofB, "eth0")

	hears4 := sharerOn(t, b, group4)
	own4 := sharerOn(t, a, group4)
	voice4 := speakerOn(t, a, a4, a4.Prefixes[0].Addr())
	for _, to := range []string{"10.77.0.255", "255.255.255.255", group4.String()} {
		send(t, voice4, to, netip.MustParseAddr(to), 3376)
		for _, ch := range []<-chan heard{hears4, own4} {
			if d := next(t, ch); d.text != to || d.From != voice4.LocalAddr() {
				t.Errorf("heard %q from %v, want %q from %v", d.text, d.From, to, voice4.LocalAddr())
			}
		}
	}

	hears6 := sharerOn(t, b, group6)
	ll := a6.Prefixes[0].Addr()
	voice6 := speakerOn(t, a, a6, ll)
	send(t, voice6, "over six", group6, 3376)
	d := next(t, hears6)
	// The sender has the zone of the interface that heard it: b's eth0.
	if want := netip.AddrPortFrom(ll.WithZone("eth0"), voice6.LocalAddr().Port()); d.From != want {
		t.Errorf("heard from %v, want %v", d.From, want)
	}
	if d.Interface != b6.Index {
		t.Errorf("heard on interface %d, want eth0, %d", d.Interface, b6.Index)
	}
	// Its source address is where an answer goes.
	answers := listen(t, voice6)
	reply := speakerOn(t, b, b6, b6.Prefixes[0].Addr())
	if err := reply.Write([]byte("answer"), d.From); err != nil {
		t.Fatal(err)
	}
	if d := next(t, answers); d.text != "answer" {
		t.Errorf("the answer is %q", d.text)
	}
}

func TestGroupsWhereLoopbackIsAll(t *testing.T) {
	lab := netlab.New(t)
	h := lab.Host("alone")
	h.DisableIPv6()
	ch := sharerOn(t, h, group4)
	me := speakerOn(t, h, named(t, listOn(t, h), "lo"), loopback4)
	for _, to := range []netip.Addr{group4, broadcast} {
		send(t, me, to.String(), to, 3376)
		if d := next(t, ch); d.text != to.String() || d.Interface != 1 {
			t.Errorf("heard %q on %d, want %q on 1", d.text, d.Interface, to)
		}
	}
}

func TestAListenerOfAllAddressesWhereIPv6IsDisabled(t *testing.T) {
	lab := netlab.New(t)
	h := lab.Host("four")
	h.DisableIPv6()
	h.Enter(func() {
		l, err := sockets.System().Listen(context.Background(), netip.AddrPort{})
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		c, err := sockets.System().Dial(context.Background(), net.JoinHostPort("127.0.0.1", strconv.Itoa(int(portOf(l)))))
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
}

func TestATentativeAddressIsUnavailableForNow(t *testing.T) {
	lab := netlab.New(t)
	lan := lab.Bridge("fd77::/64")
	h := lab.Host("new", lan)
	eth0 := named(t, listOn(t, h), "eth0")
	// The check starts anew, and takes 3 s at least.
	h.LinkDown(lan)
	slower := h.Command(t.Context(), "sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=3")
	if err := slower.Run(); err != nil {
		t.Fatal(err)
	}
	h.LinkUp(lan)
	open := func() (err error) {
		h.Enter(func() {
			var p sockets.Packets
			if p, err = sockets.System().ListenOn(context.Background(), eth0, h.Addrs()[0]); err == nil {
				p.Close()
			}
		})
		return err
	}
	if err := open(); !errors.Is(err, sockets.ErrAddrUnavailable) {
		t.Errorf("before the address is checked: %v, want ErrAddrUnavailable", err)
	}
	h.WaitUsable()
	if err := open(); err != nil {
		t.Errorf("after it was checked: %v", err)
	}
}
