// Package rpc makes calls over one secure link: it numbers them, sends and
// reads their messages, cuts large ones into chunks under credit, carries
// deadlines and cancellation, watches the link, and parts in order.
//
// # Start here
//
// A node has one [Server], which runs the commands that peers call, and one
// [Conn] for each secure link. New makes a Conn, [Conn.Run] serves it until the
// link ends, [Conn.Call] calls the peer, [Conn.Bye] parts from it.
//
// [Conn.Open] calls too, and leaves bytes going both ways until the handler
// returns: the caller has a [Stream], the handler the Pipe of its call. Both are
// a duplex underneath: what leaves is an outflow, as of a large message, under
// the credit of the call and of the link; what comes waits in a backlog until it
// is read, and only then is the credit of the call returned. So a reader that
// stalls holds up its own stream and nothing else. A stream ends with its link.
//
// The package follows the protocol, sections 4, 5 and 6. It never chooses a
// path: a call whose link breaks returns a [*BrokenError], and the node alone
// decides where it goes next, under the same call id.
package rpc
