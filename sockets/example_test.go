package sockets_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/fernmesh/fernmesh/sockets"
)

// Choosing interfaces as the "interfaces" setting does.
func ExampleSelect() {
	all := []sockets.Interface{
		{Name: "lo", Up: true, Loopback: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth0", Up: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.7/24")}},
		{Name: "tun0", Up: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.8.0.2/24")}},
	}
	use, err := sockets.Select(all, []string{"!tun*", "!10.0.0.0/8"})
	for _, i := range use {
		fmt.Println(i.Name, i.Prefixes)
	}
	fmt.Println(err)
	// Output:
	// lo [127.0.0.1/8]
	// eth0 [192.168.1.7/24]
	// <nil>
}

// Two nodes of one host hear one broadcast.
func ExampleNet_listenShared() {
	ctx := context.Background()
	network := sockets.System()
	one, err := network.ListenShared(ctx, sockets.Shared{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer one.Close()
	port := one.LocalAddr().Port()
	two, err := network.ListenShared(ctx, sockets.Shared{Port: port})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer two.Close()

	all, _ := network.Interfaces()
	lo, _ := sockets.Select(all, []string{"127.0.0.1"})
	me, err := network.ListenOn(ctx, lo[0], netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer me.Close()
	to, _ := sockets.BroadcastAddr(lo[0].Prefixes[0])
	_ = me.Write([]byte("who is there"), netip.AddrPortFrom(to, port))

	for _, p := range []sockets.Packets{one, two} {
		buf := make([]byte, 100)
		d, err := p.Read(buf)
		fmt.Println(string(buf[:d.N]), d.From == me.LocalAddr(), err)
	}
	// Output:
	// who is there true <nil>
	// who is there true <nil>
}
