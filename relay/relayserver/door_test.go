package relayserver

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// from is a connection of which only the remote address counts.
type from struct {
	net.Conn
	addr netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.addr) }
func (f from) Close() error         { return nil }

func fromIP(s string) from { return from{addr: netip.AddrPortFrom(netip.MustParseAddr(s), 1)} }

// Nothing is kept of an address whose connections are gone, so that memory does
// not grow with passers-by; and no limit is evaded by coming again.
func TestDoorForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limits{JoinsPerIP: 2}
		l.setDefaults()
		d := newDoor(l, true)
		for i := range 1000 {
			d.enter(from{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 1)}).leave()
		}
		for _, want := range []bool{true, true, false} {
			v := d.enter(fromIP("203.0.113.1"))
			if v.join() != want {
				t.Errorf("admitted %v, want %v", !want, want)
			}
			v.leave()
		}
		time.Sleep(2 * time.Second)
		d.enter(fromIP("203.0.113.2")).leave()
		if len(d.sources) != 1 {
			t.Errorf("%d addresses are kept", len(d.sources))
		}
		if open, half, _ := d.counts(); open != 0 || half != 0 {
			t.Errorf("%d open, %d half open", open, half)
		}
	})
}

// Addresses of one IPv6 /64 are one; IPv4 in IPv6 is IPv4; loopback is exempt.
func TestDoorAddresses(t *testing.T) {
	l := Limits{ConnectionsPerIP: 1}
	l.setDefaults()
	for _, c := range []struct {
		first, second string
		both          bool
	}{
		{"2001:db8::1", "2001:db8::ffff", false},
		{"2001:db8::1", "2001:db8:0:1::1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", false},
		{"192.0.2.1", "192.0.2.2", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", true},
		{"::ffff:127.0.0.1", "127.0.0.1", true},
	} {
		d := newDoor(l, true)
		if d.enter(fromIP(c.first)) == nil || (d.enter(fromIP(c.second)) != nil) != c.both {
			t.Errorf("%s and %s: want both %v", c.first, c.second, c.both)
		}
		d = newDoor(l, false) // behind a proxy
		if d.enter(fromIP(c.first)) == nil || d.enter(fromIP(c.second)) == nil {
			t.Errorf("%s and %s are limited behind a proxy", c.first, c.second)
		}
	}
}
