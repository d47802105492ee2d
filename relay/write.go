package relay

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// pieceMost is how much is written under one deadline, so that a slow relay that
// reads is told from one that does not.
const pieceMost = 16 << 10

// sending is what is being written. It belongs to whoever writes.
type sending struct {
	bytes  []byte // what is still to leave
	sealed []byte // the buffer of TLS's records, if it is one
}

// write is the writer's goroutine. It also keeps the connection alive.
func (c *Client) write() {
	defer close(c.written)
	timer := time.NewTimer(c.alive.interval())
	defer timer.Stop()
	for {
		closed, err := c.writeAll(timer)
		if err == nil && closed {
			err = ErrClosed
		}
		if err != nil {
			c.fail(err)
			return
		}
		if !c.pause(timer) {
			return
		}
	}
}

// pause looks after the keepalive and waits until there is something to write.
// It reports false when the connection has ended.
func (c *Client) pause(timer *time.Timer) bool {
	select {
	case <-c.done:
		return false
	case <-c.out.wake:
		return true
	case <-timer.C:
		return c.tick(timer)
	}
}

// tick is what the timer is for.
func (c *Client) tick(timer *time.Timer) bool {
	next, err := c.alive.tick(&c.out)
	if err != nil {
		c.fail(err)
		return false
	}
	timer.Reset(next)
	return true
}

// writeAll writes until nothing waits, unless another does so, and reports then
// whether that is the end. The keepalive goes on meanwhile.
func (c *Client) writeAll(timer *time.Timer) (closed bool, err error) {
	if !c.out.begin() {
		return false, nil
	}
	for {
		if err := c.writeLoaded(); err != nil {
			return false, err
		}
		select {
		case <-timer.C:
			c.tick(timer)
		default:
		}
		more, closed, err := c.load()
		if !more {
			return closed, err
		}
	}
}

// writeAtOnce writes what the connection takes at once, for who has brought a
// record, and leaves the rest to the writer.
func (c *Client) writeAtOnce() {
	more, _, err := c.load()
	if err != nil {
		c.fail(err) // nobody writes any more
		return
	}
	if more {
		c.sending.bytes = c.sending.bytes[c.outlet.WriteNow(c.sending.bytes):]
	}
	rest := len(c.sending.bytes) > 0
	if !rest {
		c.sent()
	}
	c.out.leave(rest)
}

// load takes what is to be written next, and has TLS seal it. Without any, the
// caller writes no longer.
func (c *Client) load() (more, closed bool, err error) {
	batch, closed := c.out.take()
	if len(batch) == 0 {
		return false, closed, nil
	}
	if c.secure {
		if batch, err = c.outlet.Seal(c.conn, batch); err != nil {
			return false, false, fmt.Errorf("relay: %w", err)
		}
		c.sending.sealed = batch
	}
	c.sending.bytes = batch
	return true, false, nil
}

// sent lets go of what was loaded.
func (c *Client) sent() {
	outlet.Free(c.sending.sealed)
	c.sending = sending{}
}

// writeLoaded writes what was loaded: what the connection takes at once, and a
// piece when it does, and so on.
func (c *Client) writeLoaded() error {
	for {
		rest := c.sending.bytes[c.outlet.WriteNow(c.sending.bytes):]
		if len(rest) == 0 {
			c.sent()
			return nil
		}
		if err := c.raw.SetWriteDeadline(time.Now().Add(c.cfg.Timers.Write)); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		n, err := c.raw.Write(rest[:min(len(rest), pieceMost)])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrNotReading
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		c.sending.bytes = rest[n:]
	}
}
