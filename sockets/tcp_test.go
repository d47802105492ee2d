package sockets_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/sockets"
)

func TestS4_5_SecondUseOfALocalPort(t *testing.T) {
	ctx := context.Background()
	first, err := sockets.System().Listen(ctx, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	addr := netip.AddrPortFrom(netip.IPv6Unspecified(), portOf(first))
	_, err = sockets.System().Listen(ctx, addr)
	if !errors.Is(err, sockets.ErrPortInUse) {
		t.Fatalf("got %v, want ErrPortInUse", err)
	}
	for _, want := range []string{"TCP port " + strconv.Itoa(int(addr.Port())), "in use", "choose another port"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestS4_4_PortZeroIsAFreePortOfBothFamilies(t *testing.T) {
	l, err := sockets.System().Listen(context.Background(), netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if portOf(l) == 0 {
		t.Fatal("the listener does not tell its port")
	}
	hosts := []string{"127.0.0.1"}
	if lo(t).Has(netip.IPv6Loopback()) {
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		c, err := sockets.System().Dial(context.Background(), net.JoinHostPort(host, strconv.Itoa(int(portOf(l)))))
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.WriteString(s, "hello")
			s.Close()
		}()
		if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
			t.Errorf("over %s: %q, %v", host, b, err)
		}
		c.Close()
	}
}

func TestAnIPv4ListenerIsNoIPv6One(t *testing.T) {
	if !lo(t).Has(netip.IPv6Loopback()) {
		t.Skip("the loopback interface has no ::1")
	}
	l, err := sockets.System().Listen(context.Background(), netip.MustParseAddrPort("0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := sockets.System().Dial(context.Background(), net.JoinHostPort("::1", strconv.Itoa(int(portOf(l)))))
	if err == nil {
		c.Close()
		t.Error("a listener on 0.0.0.0 was reached over IPv6")
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sockets.System().Dial(ctx, "127.0.0.1:9"); !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "cancel") {
		t.Errorf("got %v, want a cancelled dial", err)
	}
}

func TestResolveTakesAddressesAsTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":        "192.0.2.1",
		"::ffff:192.0.2.1": "192.0.2.1",
		"fe80::1%eth0":     "fe80::1%eth0",
	} {
		got, err := sockets.System().Resolve(context.Background(), text)
		if err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("Resolve(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestInterfacesOfTheMachine(t *testing.T) {
	i := lo(t)
	if i.Index <= 0 || i.Name == "" || i.MTU <= 0 {
		t.Errorf("the loopback interface is incomplete: %+v", i)
	}
	std, err := sockets.System().(sockets.InterfaceFinder).NetInterface(i.Index)
	if err != nil || std.Name != i.Name {
		t.Errorf("NetInterface(%d) = %v, %v, want %s", i.Index, std, err, i.Name)
	}
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }
