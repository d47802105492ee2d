//go:build !nomdns

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

var (
	mdnsGroup4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	mdnsGroup6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
)

// air is the multicast sockets of one interface on the mDNS port. It sends our
// answers, keeps the interface in the group, and counts the answers of others
// while a query runs. Its readers end with close.
type air struct {
	v4, v6  *net.UDPConn // nil if the interface has not that family
	to6     *net.UDPAddr
	readers sync.WaitGroup

	answers atomic.Int64 // heard since the latest query began
	stop    atomic.Pointer[context.CancelFunc]
}

// openAir opens what sockets it can on an interface.
func openAir(ifi *net.Interface) (*air, error) {
	a := &air{to6: &net.UDPAddr{IP: mdnsGroup6.IP, Port: mdnsGroup6.Port, Zone: ifi.Name}}
	var err4, err6 error
	a.v4, err4 = openAir4(ifi)
	a.v6, err6 = openAir6(ifi)
	if a.v4 == nil && a.v6 == nil {
		return nil, fmt.Errorf("cannot open the mDNS port: %w", errors.Join(err4, err6))
	}
	for _, c := range []*net.UDPConn{a.v4, a.v6} {
		if c != nil {
			a.readers.Go(func() { a.listen(c) })
		}
	}
	return a, nil
}

func openAir4(ifi *net.Interface) (*net.UDPConn, error) {
	c, err := net.ListenMulticastUDP("udp4", ifi, mdnsGroup4)
	if err != nil {
		return nil, err
	}
	p := ipv4.NewPacketConn(c)
	if err := errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastTTL(255), p.SetMulticastLoopback(true)); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func openAir6(ifi *net.Interface) (*net.UDPConn, error) {
	c, err := net.ListenMulticastUDP("udp6", ifi, mdnsGroup6)
	if err != nil {
		return nil, err
	}
	p := ipv6.NewPacketConn(c)
	if err := errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastHopLimit(255), p.SetMulticastLoopback(true)); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (a *air) close() {
	for _, c := range []*net.UDPConn{a.v4, a.v6} {
		if c != nil {
			_ = c.Close()
		}
	}
	a.readers.Wait()
}

// send multicasts records as one answer on each family. A loss is no failure:
// whoever asks, asks again.
func (a *air) send(rrs []dns.RR) {
	if len(rrs) == 0 {
		return
	}
	m := dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Compress: true, Answer: rrs}
	packet, err := m.Pack()
	if err != nil {
		return
	}
	if a.v4 != nil {
		_, _ = a.v4.WriteToUDP(packet, mdnsGroup4)
	}
	if a.v6 != nil {
		_, _ = a.v6.WriteToUDP(packet, a.to6)
	}
}

// during begins to count answers, and calls stop when there are too many.
func (a *air) during(stop context.CancelFunc) {
	a.answers.Store(0)
	a.stop.Store(&stop)
}

// listen counts the answers that a socket hears until it is closed. What is in
// them is the library's business.
func (a *air) listen(c *net.UDPConn) {
	const header = 12            // bytes of a DNS message's head
	packet := make([]byte, 9000) // RFC 6762, section 17
	for {
		n, _, err := c.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		if n < header || packet[2]&0x80 == 0 { // not an answer
			continue
		}
		if a.answers.Add(1) >= mdnsAnswers {
			if stop := a.stop.Load(); stop != nil {
				(*stop)()
			}
		}
	}
}
