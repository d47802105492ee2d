package relay

import (
	"errors"
	"fmt"
)

// errRunning is a mistake of the caller.
var errRunning = errors.New("relay: Run was called twice")

// Run reads from the relay, calls the Handler and feeds the channels until the
// connection has ended, and the writer with it. It returns the first cause. It
// is called once, on a goroutine of the caller's.
func (c *Client) Run() error {
	if !c.running.CompareAndSwap(false, true) {
		return errRunning
	}
	for {
		if err := c.step(); err != nil {
			c.fail(err)
			<-c.written
			return c.Err()
		}
	}
}

// step reads and handles one frame. A fault of our own in reading what a relay
// sends must not end the process.
func (c *Client) step() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("relay: panic: %v", p)
		}
	}()
	t, body, err := c.frames.Next(ToClient)
	if err != nil {
		return readError(err)
	}
	c.alive.heard()
	return c.handle(t, body)
}

// handle does what a frame asks.
func (c *Client) handle(t FrameType, body []byte) error {
	switch t {
	case FrameRecv:
		return c.receive(body)
	case FrameGone:
		return c.gone(body)
	case FrameUp:
		return c.up(body)
	case FrameDown:
		return c.down(body)
	case FrameCasted:
		return c.casted(body)
	case FramePing, FramePong:
		return c.echo(t, body)
	case FrameDrain:
		after, err := ParseDrain(body)
		if err == nil {
			c.cfg.Handler.Draining(after)
		}
		return err
	case FrameError:
		refused, err := ParseError(body)
		if err == nil {
			err = refused
		}
		return err
	}
	return fmt.Errorf("%w: %v", ErrProtocol, t)
}

// echo answers a PING, or takes the answer to one.
func (c *Client) echo(t FrameType, body []byte) error {
	e, err := ParseEcho(body)
	if err != nil {
		return err
	}
	if t == FramePing {
		c.out.pong(e)
		return nil
	}
	if rtt, ok := c.alive.answered(e); ok {
		c.rtt.Store(int64(rtt))
	}
	return nil
}
