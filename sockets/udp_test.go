package sockets_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

var (
	group4    = netip.MustParseAddr("239.255.33.76")
	loopback4 = netip.MustParseAddr("127.0.0.1")
	broadcast = netip.MustParseAddr("127.255.255.255")
)

// lo is the machine's loopback interface.
func lo(t *testing.T) sockets.Interface {
	t.Helper()
	all, err := sockets.System().Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Loopback && i.Up && i.Has(loopback4) {
			return i
		}
	}
	t.Skip("no loopback interface with 127.0.0.1 is up")
	panic("unreachable")
}

// sharer opens a sharing socket; what it hears comes out of the channel.
func sharer(t *testing.T, cfg sockets.Shared) (sockets.Packets, <-chan heard) {
	t.Helper()
	p, err := sockets.System().ListenShared(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, listen(t, p)
}

type heard struct {
	sockets.Datagram
	text string
}

func listen(t *testing.T, p sockets.Packets) <-chan heard {
	t.Cleanup(func() { p.Close() })
	ch := make(chan heard, 16)
	go func() {
		buf := make([]byte, 64)
		for {
			d, err := p.Read(buf)
			if err != nil {
				close(ch)
				return
			}
			ch <- heard{d, string(buf[:d.N])}
		}
	}()
	return ch
}

func speaker(t *testing.T, addr netip.Addr) sockets.Packets {
	t.Helper()
	p, err := sockets.System().ListenOn(context.Background(), lo(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func send(t *testing.T, p sockets.Packets, text string, to netip.Addr, port uint16) {
	t.Helper()
	if err := p.Write([]byte(text), netip.AddrPortFrom(to, port)); err != nil {
		t.Fatal(err)
	}
}

// expect takes the next datagram of ch, which must be text from p.
func expect(t *testing.T, ch <-chan heard, p sockets.Packets, text string) {
	t.Helper()
	select {
	case d := <-ch:
		if d.text != text || d.From != p.LocalAddr() {
			t.Errorf("heard %q from %v, want %q from %v", d.text, d.From, text, p.LocalAddr())
		}
		if runtime.GOOS == "linux" && d.Interface != lo(t).Index {
			t.Errorf("%q came in on interface %d, want lo, %d", text, d.Interface, lo(t).Index)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("nothing heard, want %q", text)
	}
}

func TestS4_5_EachNodeOfAHostHearsTheAdvertiserPort(t *testing.T) {
	groups := []sockets.Group{{Interface: lo(t), Addr: group4}}
	first, one := sharer(t, sockets.Shared{Groups: groups})
	port := first.LocalAddr().Port()
	second, two := sharer(t, sockets.Shared{Port: port, Groups: groups})
	third, three := sharer(t, sockets.Shared{Port: port, Groups: groups})
	for _, p := range []sockets.Packets{first, second, third} {
		if err := p.JoinErrors(); err != nil {
			t.Fatal(err)
		}
	}
	me := speaker(t, loopback4)
	send(t, me, "by broadcast", broadcast, port)
	send(t, me, "by multicast", group4, port)
	for _, ch := range []<-chan heard{one, two, three} {
		expect(t, ch, me, "by broadcast")
		expect(t, ch, me, "by multicast")
	}

	// A unicast reaches one of them: no more come before the next broadcast.
	send(t, me, "by unicast", loopback4, port)
	send(t, me, "end", broadcast, port)
	copies := 0
	for _, ch := range []<-chan heard{one, two, three} {
		for text := ""; text != "end"; {
			select {
			case d := <-ch:
				if text = d.text; text == "by unicast" {
					copies++
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the last broadcast was not heard")
			}
		}
	}
	if copies != 1 {
		t.Errorf("a unicast was heard %d times, want once", copies)
	}
}

func TestLimitedBroadcastLeavesThroughItsSocketsInterface(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("where 255.255.255.255 goes is known for Linux only")
	}
	p, ch := sharer(t, sockets.Shared{})
	me := speaker(t, loopback4)
	send(t, me, "everybody", netip.MustParseAddr("255.255.255.255"), p.LocalAddr().Port())
	expect(t, ch, me, "everybody")
}

func TestAnswersGoBackToTheSender(t *testing.T) {
	p, ch := sharer(t, sockets.Shared{})
	asker, replier := speaker(t, loopback4), speaker(t, loopback4)
	answers := listen(t, asker)
	send(t, asker, "who is there", loopback4, p.LocalAddr().Port())
	expect(t, ch, asker, "who is there")
	send(t, replier, "me", asker.LocalAddr().Addr(), asker.LocalAddr().Port())
	expect(t, answers, replier, "me")
}

func TestIPv6SharersAreNotIPv4Ones(t *testing.T) {
	if !lo(t).Has(netip.IPv6Loopback()) {
		t.Skip("the loopback interface has no ::1")
	}
	v6, ch := sharer(t, sockets.Shared{IPv6: true})
	// The IPv4 port of the same number is still free, even for one that does
	// not share it.
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(v6.LocalAddr().Port())})
	if err != nil {
		t.Fatalf("the IPv6 socket has the IPv4 port too: %v", err)
	}
	c.Close()
	me := speaker(t, netip.IPv6Loopback())
	send(t, me, "over six", netip.IPv6Loopback(), v6.LocalAddr().Port())
	expect(t, ch, me, "over six")
}

func TestGroupsOfOtherSocketsAreNotHeard(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a socket choose to hear its own groups only")
	}
	member, in := sharer(t, sockets.Shared{Groups: []sockets.Group{{Interface: lo(t), Addr: group4}}})
	_, out := sharer(t, sockets.Shared{Port: member.LocalAddr().Port()})
	me := speaker(t, loopback4)
	send(t, me, "for members", group4, member.LocalAddr().Port())
	send(t, me, "for all", broadcast, member.LocalAddr().Port())
	expect(t, in, me, "for members")
	expect(t, out, me, "for all")
}

func TestJoiningLaterAndAgain(t *testing.T) {
	p, ch := sharer(t, sockets.Shared{})
	g := sockets.Group{Interface: lo(t), Addr: group4}
	for range 2 {
		if err := p.Join(g); err != nil {
			t.Fatal(err)
		}
	}
	me := speaker(t, loopback4)
	send(t, me, "to the new member", group4, p.LocalAddr().Port())
	expect(t, ch, me, "to the new member")
}

func TestAFailedJoinIsReportedAndNotFatal(t *testing.T) {
	none := sockets.Interface{Name: "nosuch0", Index: 1 << 20}
	p, ch := sharer(t, sockets.Shared{Groups: []sockets.Group{
		{Interface: none, Addr: group4},
		{Interface: lo(t), Addr: group4},
	}})
	err := p.JoinErrors()
	if err == nil || !strings.Contains(err.Error(), "nosuch0") || strings.Contains(err.Error(), " on lo") {
		t.Errorf("JoinErrors: %v, want one about nosuch0 only", err)
	}
	me := speaker(t, loopback4)
	send(t, me, "still heard", group4, p.LocalAddr().Port())
	expect(t, ch, me, "still heard")
}

func TestLongDatagramsAreCut(t *testing.T) {
	p, ch := sharer(t, sockets.Shared{})
	me := speaker(t, loopback4)
	send(t, me, strings.Repeat("x", 1000), loopback4, p.LocalAddr().Port())
	expect(t, ch, me, strings.Repeat("x", 64))
	send(t, me, "next", loopback4, p.LocalAddr().Port())
	expect(t, ch, me, "next")
}

func TestCloseEndsRead(t *testing.T) {
	p, err := sockets.System().ListenShared(context.Background(), sockets.Shared{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		done <- err
	}()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read ended with %v, want net.ErrClosed", err)
	}
}

func TestAForeignAddressIsUnavailable(t *testing.T) {
	_, err := sockets.System().ListenOn(context.Background(), lo(t), netip.MustParseAddr("198.51.100.77"))
	if !errors.Is(err, sockets.ErrAddrUnavailable) {
		t.Errorf("got %v, want ErrAddrUnavailable", err)
	}
}

func TestS4_5_AnAdvertiserPortThatIsNotSharedIsNamed(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	_, err = sockets.System().ListenShared(context.Background(), sockets.Shared{Port: port})
	if !errors.Is(err, sockets.ErrPortInUse) || !strings.Contains(err.Error(), "choose another advertiser port") {
		t.Errorf("got %v, want ErrPortInUse with a next step", err)
	}
}
