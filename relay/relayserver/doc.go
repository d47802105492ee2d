// Package relayserver is the relay: the server that nodes without a common local
// network join, each in the room of its network, and that forwards what they
// send to each other (the protocol, section 8). The frames and the client are in
// package relay; cmd/fernmesh-relay is the program around this package.
//
// # Start here
//
//	identity, err := crypto.LoadOrCreateIdentity("relay-identity.key")
//	server, err := relayserver.New(relayserver.Config{Identity: identity})
//	err = server.Serve(listener) // until Close or Drain
//
// In the code, server.go accepts connections, handshake.go takes one up to
// JOINED, room.go is who may reach whom, member.go reads, forward.go forwards,
// queue.go is all that a slow client may cost, write.go empties it, and news.go
// tells the members of a room of each other.
//
// # What a relay knows
//
// Rooms, which are public keys; addresses, which are random for each connection;
// presence tokens and records, which are sealed; and who sends how much to whom
// in a room. It keeps them in memory while a client is connected, writes none of
// them anywhere and logs nothing about clients at any level. It never dials.
//
// # Who gets in
//
// A client proves with a signature over a fresh challenge that it has the room's
// key, and which host it dialled. On a TLS connection the signature covers TLS's
// exporter too, whatever the client was told, so nobody can pass on a proof made
// for another connection. An address that is in use is refused.
//
// # Forwarding
//
// One goroutine reads each client. What one read of the connection brought is
// handled together: SENDs in a row to one client become RECVs where they lie and
// go into its queue by one copy. Before it reads again, the reader empties the
// queues that it filled, as far as the connections take it at once; where one
// does not, a writer goes on, a goroutine that lives while there is something to
// write. Under [Server.ServeTLS], TLS seals a whole queue's block for one write.
//
// Records and GONE keep their order. When a queue is full, whoever sends to it is
// not read for Timers.Stop at most; then that one session ends, with
// GONE(overflow) to both ends. A client that takes less than 16 KiB of what waits
// for it within Timers.Stall is disconnected, and so is one that is silent for
// 2.5 times Timers.Ping. What ends is always told: nothing is lost in silence.
//
// Members are told of each other at once after a while of quiet, and otherwise
// after a pause that grows with the room beyond 32 members, with what came since.
//
// # An idle member
//
// costs a goroutine with a small stack and no buffer. Without TLS, a buffer is
// borrowed when the connection has something to read; with TLS, when the first
// bytes of a record have come. A member in the middle of a frame holds one of
// 16 KiB, or up to twice what has come of a larger frame.
//
// # Bounds
//
// Connections, those that have not joined, joins per second, rooms, members and
// bytes that wait are bounded, in all and where it makes sense per address; see
// [Limits]. When too many connections have not joined, the oldest of them goes.
// Presence that waits for a client is bounded by the room's size, since of each
// member only the outcome is kept, and a member that changes its presence more
// than a few times a second is slowed down.
package relayserver
