// Package meshtest is a network in memory, for tests.
//
// A [World] has LANs and hosts. A [Host] is a [sockets.Net]: give it to a node
// as its network, and the node finds its peers, is dialled, partitioned,
// crashed and renumbered without a real socket. Everything waits on channels,
// condition variables and package time only, so that it runs in a bubble of
// testing/synctest: there ten virtual minutes pass at once, and synctest.Wait
// tells when all is quiet.
//
// # Start here
//
//	synctest.Test(t, func(t *testing.T) {
//		w := meshtest.NewWorld(1)
//		defer w.Close()
//		home := w.LAN("home", "10.1.0.0/24", "fd00:1::/64")
//		kitchen, attic := w.Host("kitchen", home), w.Host("attic", home)
//		home.SetLatency(2 * time.Millisecond)
//		// … run something on kitchen and attic …
//		w.Partition(kitchen, attic)
//	})
//
// [LAN] has the weather (loss, latency, jitter) and the wire taps, [World] the
// cuts between hosts, and [Host] what happens to one machine.
//
// # How true it is
//
// UDP and TCP behave as on Linux where fernmesh can tell the difference: who
// of several sockets on a port hears a datagram; when a dial is refused, times
// out or finds no host; that closing a connection with unread bytes resets it;
// that bytes of a cut connection stall and arrive after the cut has healed.
// There is no bandwidth, no congestion and no fragmentation, and there are no
// routers: a host reaches the hosts of its own LANs.
//
// For tests on the kernel's own network stack see package netlab below this
// one.
package meshtest
