// Package relay is the wire protocol between a node and a relay, and the client
// that a node uses (the protocol, section 8). The relay itself is package
// relayserver; it shares the frames and the frame reader.
//
// # Start here
//
// A relay joins nodes that share no LAN. It knows rooms, addresses and byte
// counts; it has no key and can read nothing. [ParseAddress] reads the line that
// a relay prints at its start, [Connect] dials it, proves membership of the room
// and has the relay prove its id. [Client.Run] then reads until the connection
// ends, and tells a [Handler] of the other members.
//
// [Client.Open] begins a session with a member and gives a [Channel], which
// carries records both ways, as a TCP connection does on a LAN; a node runs the
// same handshake over it. Sessions that others begin come to Handler.Accept.
//
// # A connection
//
//	TCP, TLS 1.3 if the address says so
//	GET /fernmesh/1, Upgrade: fernmesh-relay/1     → 101
//	HELLO   the relay's id and a fresh challenge   the pin is checked
//	JOIN    room, address, host, signature         by the room key
//	JOINED  signature                              by the relay's key
//	UP and CASTED of each member, then whatever comes
//
// Both signatures cover the relay's id, the challenge, the host that was dialled
// and the TLS exporter, so that a relay that passes them on to another gains
// nothing. A redirect is never followed.
//
// # Frames
//
// A frame is type u8, length u32, body. Integers are big-endian.
//
//	01 HELLO   R→C   relay id 32 | challenge 32 | max frame u32 | ping s u16 | flags u16
//	02 JOIN    C→R   room id 32 | address 16 | nonce 32 | host (length u16, bytes) | signature 64
//	03 JOINED  R→C   signature 64
//	04 UP      R→C   address 16
//	05 DOWN    R→C   address 16
//	06 SEND    C→R   to address 16 | session id 8 | record body
//	07 RECV    R→C   from address 16 | session id 8 | record body
//	08 CAST    C→R   presence token, at most 1,400 bytes
//	09 CASTED  R→C   from address 16 | presence token
//	0a GONE    both  address 16 | session id 8 | code 1
//	0b PING    both  8 bytes
//	0c PONG    both  the 8 bytes of the PING
//	0d DRAIN   R→C   come back after ms u32
//	0e ERROR   R→C   code u16 | retry after ms u32 | text
//
// Any other type, any other length and any frame out of its state ends the
// connection, before memory is set aside for its body.
//
// # Sessions
//
// A session is known by the other end's address and its id, which the initiator
// draws. A record of 112 bytes for an unknown session begins one; any other is
// answered by GONE, once. GONE ends one session, DOWN all with that address, and
// the end of the connection all there are. A channel that is closed sends its
// last records and then GONE, so the relay must keep that order within a session.
//
// # Bounds
//
// The reader copies records into the queues of their channels and never waits: a
// queue that is full ends its session (overflow). What is written waits in
// a queue per channel, where WriteRecord waits in turn; the writer takes from
// them in turns, control frames first, so that one channel does not hold up
// another. On a connection that was quiet, WriteRecord itself writes what can
// leave at once, and spares the change of goroutines. The relay has [Timers].Write to take each piece. A PING that nothing
// follows is missed; two in a row end the connection, within a minute of the
// relay's last sign of life.
//
// # What is not here
//
// No network key (the room's key comes from the caller), no plaintext, no
// presence tokens' contents, and no reconnecting: a client is one connection,
// and who wants another makes one.
package relay
