// Package link is one authenticated, encrypted connection between two nodes:
// the handshake, HELLO, and sealed frames of messages in order (the protocol,
// sections 2 to 4). What the messages mean is the business of the packages
// above.
//
// # Start here
//
// [Dial] and [Accept] make a [Link] over a [Carrier], which for a LAN is
// [Stream]. The owner then calls [Link.Run] on a goroutine of its own; it
// delivers messages until the link ends. Messages are sent with [Link.Post]
// and one of [Link.Flush] and [Link.FlushLater].
//
// # Goroutines
//
// A link has one goroutine of its own, the writer, which Close waits for. The
// reader is whoever calls Run. A caller of Flush writes its messages itself if
// nobody else is writing, so that a request costs no change of goroutine; the
// writer takes what is posted meanwhile, and whatever the reader posts, since a
// reader that waits for a write can deadlock with its peer.
//
// # Ends
//
// Whatever fails first ends the link and is what [Link.Err] returns. Nothing
// is repaired: a token that does not open, a frame out of sequence, a message
// that cannot be read, a write that takes too long each end the session.
package link
