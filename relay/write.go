package relay

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// pieceMost is how much is written under one deadline, so that a slow relay that
// reads is told from one that does not.
const pieceMost = 16 << 10

// write is the writer's goroutine. It also keeps the connection alive.
func (c *Client) write() {
	defer close(c.written)
	timer := time.NewTimer(c.alive.interval())
	defer timer.Stop()
	for {
		batch, closed := c.out.take()
		if len(batch) > 0 {
			if err := c.writeBatch(batch); err != nil {
				c.fail(err)
				return
			}
			closed = false // there may be more
		}
		if closed {
			c.fail(ErrClosed)
			return
		}
		if !c.pause(timer, len(batch) == 0) {
			return
		}
	}
}

// pause looks after the keepalive and, with nothing to write, waits until there
// is something. It reports false when the connection has ended.
func (c *Client) pause(timer *time.Timer, idle bool) bool {
	if !idle {
		select {
		case <-timer.C:
			return c.tick(timer)
		default:
			return true // an ended connection shows at the next write
		}
	}
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

// writeBatch writes frames.
func (c *Client) writeBatch(batch []byte) error {
	for len(batch) > 0 {
		piece := batch[:min(len(batch), pieceMost)]
		if err := c.conn.SetWriteDeadline(time.Now().Add(c.cfg.Timers.Write)); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		n, err := c.conn.Write(piece)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrNotReading
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		batch = batch[n:]
	}
	return nil
}
