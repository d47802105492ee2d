package rpc

import (
	"sync/atomic"

	"github.com/fernmesh/fernmesh/node/internal/link"
)

// reading is the reader's role of a Conn when handlers run on it (commands.Inline).
//
// The role begins with Run's caller, who must be there when the link ends and so
// runs no handlers: with the first quick command it gives the role to a goroutine
// of its own and waits. Whoever has the role may lose it while it runs a handler:
// the overseer takes it away from a handler that is slow, and gives it to another
// goroutine, which goes on with the next message. Which of the two happened first,
// the handler's end or the loss, is decided by turn.
type reading struct {
	own  bool          // the reader is a goroutine of its own. The reader's
	last uint64        // turns that began. The reader's
	runs *served       // on the reader; set before turn
	turn atomic.Uint64 // which handler runs on the reader; 0 is none
	over chan error    // how the link ended, told by whoever read last
}

// read reads until the link ends, and returns what ended it.
func (c *Conn) read() error {
	err := c.link.Run(c.dispatch)
	if err != link.ErrPassed {
		return err
	}
	c.own, c.over = true, make(chan error, 1)
	c.server.overseer.watch(c)
	defer c.server.overseer.forget(c)
	go c.readOn()
	return <-c.over
}

// readOn is the goroutine of a reader that runs handlers. It ends with the link,
// or when it has lost its role.
func (c *Conn) readOn() {
	if err := c.link.Run(c.dispatch); err != link.ErrPassed {
		c.over <- err
	}
}

// quick tells whether a call runs on the reader, who asks.
func (c *Conn) quick(sv *served) bool {
	return sv.command.Inline() && sv.call.Pipe == nil &&
		c.link.Roomy() && // else the answer waits for room, which the reader may not
		!c.server.overseer.rests(sv.command)
}

// runHere runs a call on the reader's goroutine. The error is link.ErrPassed when
// the reader has lost its role.
func (c *Conn) runHere(sv *served) error {
	c.last++
	c.runs, sv.turn = sv, c.last
	c.turn.Store(sv.turn)
	returned := false
	defer func() {
		if !returned && !sv.lost { // the handler ends this goroutine
			go c.readOn()
		}
	}()
	c.server.overseer.begins()
	c.server.run(sv)
	returned = true
	if sv.lost {
		return link.ErrPassed
	}
	return nil
}

// handled ends the turn of a call on the reader: its handler has returned. It
// notes whether the reader still has its role.
func (sv *served) handled() {
	if sv.turn == 0 {
		return
	}
	sv.here = sv.conn.turn.CompareAndSwap(sv.turn, 0)
	sv.lost = !sv.here
}
