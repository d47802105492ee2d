package rpc

import (
	"sync/atomic"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Traffic counts what passes between this node and one peer, over as many
// Conns as share it. It takes no lock.
type Traffic struct {
	In, Out Messages
	// Strays counts answers that came to no call: its number was never given
	// out, or its call had ended here.
	Strays atomic.Uint64
}

// Messages are the counters of one direction.
type Messages struct {
	Hello, HelloAck atomic.Uint64 // for whoever makes the link; a Conn begins after them
	Ping, Pong      atomic.Uint64
	Bye, ByeAck     atomic.Uint64
	Requests        atomic.Uint64 // calls, whole or cut into chunks
	Answers         atomic.Uint64 // REPLY and FAIL, whole or cut into chunks
	Chunks          atomic.Uint64 // parts of large messages and of streams
}

// note counts a message by its type. The requests and answers that are cut into
// chunks are counted where they are put together.
func (m *Messages) note(t wire.Type) {
	switch t {
	case wire.TypeCall:
		m.Requests.Add(1)
	case wire.TypeChunk:
		m.Chunks.Add(1)
	case wire.TypePing:
		m.Ping.Add(1)
	case wire.TypePong:
		m.Pong.Add(1)
	case wire.TypeBye:
		m.Bye.Add(1)
	case wire.TypeByeAck:
		m.ByeAck.Add(1)
	}
}

// put posts a message and counts it.
func (c *Conn) put(t wire.Type, parts ...[]byte) error {
	err := c.link.Post(t, parts...)
	if err == nil {
		c.traffic.Out.note(t)
	}
	return err
}

// requested counts a call that the peer sent.
func (c *Conn) requested() { c.server.counters.requests.Add(1) }

// answeredWith counts an answer that is about to be posted, so that who has it
// finds it counted; code 0 is a value.
func (c *Conn) answeredWith(code commands.Code) {
	c.traffic.Out.Answers.Add(1)
	if int(code) >= len(c.server.counters.results) {
		code = commands.Unknown
	}
	c.server.counters.results[code].Add(1)
}

// stray counts an answer to no call.
func (c *Conn) stray() {
	c.traffic.Strays.Add(1)
	c.server.counters.strays.Add(1)
}
