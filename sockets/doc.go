// Package sockets is the seam between fernmesh and a network stack.
//
// Everything fernmesh asks of the network goes through one interface, [Net]:
// the interface list, TCP, the shared UDP port of LAN discovery and the
// sockets its questions and answers leave from. [System] is the machine's own
// network; package meshtest has one in memory, for tests under virtual time.
//
// # Start here
//
// Read [Net]; it is the whole package. Then who hears what on a shared port, in
// [Shared], and [ParseRules], which turns the "interfaces" setting into a
// choice of interfaces.
//
//	all, err := sockets.System().Interfaces()
//	use, err := sockets.Select(all, []string{"eth*", "!10.0.0.0/8"})
//
// # Errors
//
// A socket that cannot be opened gives an [*Error]: what failed, and a hint
// what to do about it. [ErrPortInUse], [ErrPermission] and
// [ErrAddrUnavailable] tell the causes apart with errors.Is.
//
// # What the kernels do
//
// Found out by tests, on Linux 6:
//
//   - On loopback, 127.255.255.255 and 239.255.33.76 reach every sharer of the
//     port, though lo has neither the broadcast nor the multicast flag, and
//     also where lo is the only interface. IPv6 multicast does not: lo has no route for it, and
//     Write fails with "network is unreachable".
//   - Every sharer gets its own copy of a broadcast, and of a multicast to a
//     group that it joined itself; a unicast reaches one of them, chosen by the
//     addresses and ports of its two ends.
//   - SO_REUSEPORT lets sockets of one user share a port, SO_REUSEADDR those of
//     different users; both are set.
//   - A datagram to another address of this host comes in on the interface that
//     has the address, not on lo.
//
// The receiving interface is known on Linux, macOS and the BSDs, not on
// Windows.
package sockets
