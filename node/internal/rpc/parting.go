package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// parting is the state of BYE, BYE-ACK, drain and close (the protocol, section
// 6). The Conn's mu guards it; the channels are closed under it.
type parting struct {
	said    bool      // this side has posted BYE
	theirs  *wire.Bye // the peer's BYE
	refused bool      // it turned the link away: no call has run; the reader's own
	acked   bool
	drained chan struct{} // closed when said, acked and nothing is open; or at the end
	woken   bool          // drained is closed
}

func (p *parting) init() { p.drained = make(chan struct{}) }

func (p *parting) wake() {
	if !p.woken {
		p.woken = true
		close(p.drained)
	}
}

// check notices that the link has drained. The caller holds mu.
func (p *parting) check(c *Conn) {
	if p.said && p.acked && len(c.pending) == 0 && len(c.served) == 0 {
		p.wake()
	}
}

// Bye parts in order: BYE, BYE-ACK, drain, close. Calls that the peer sends
// from now on are refused as not executed; accepted calls, both ways, still get
// their answers. It returns when the link has ended; when ctx ends first it
// ends the link at once and returns ctx's error.
func (c *Conn) Bye(ctx context.Context, bye wire.Bye) error {
	c.mu.Lock()
	if !c.said && !c.ended {
		c.said = true
		if refusal(bye.Code) { // as the first message it would say that no call has run
			c.ping(nil)
		}
		c.post(wire.TypeBye, wire.AppendBye(nil, bye))
		c.hurry(time.Now(), c.cfg.Timers.BusyPing) // a peer that is gone must not hold up the parting
	}
	c.mu.Unlock()
	select {
	case <-c.drained:
	case <-ctx.Done():
		c.Close(ErrParted)
		return ctx.Err()
	}
	// The answers lie before this PING, so its PONG tells that the peer has
	// read them; closing earlier could lose them in the peer's socket.
	_, err := c.Ping(ctx)
	c.Close(ErrParted)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return c.partedWell()
}

// partedWell is nil when the link ended by a BYE of either side.
func (c *Conn) partedWell() error {
	err := c.Err()
	var bye *ByeError
	if errors.Is(err, ErrParted) || errors.As(err, &bye) {
		return nil
	}
	return err
}

// Parting says that either side has said BYE, or the link has ended: new calls
// are refused.
func (c *Conn) Parting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refuses() != nil
}

func (c *Conn) onBye(body []byte, first bool) error {
	bye, err := wire.ParseBye(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	again := c.theirs != nil
	if !again {
		c.theirs = &bye
		c.refused = first && refusal(bye.Code)
	}
	c.mu.Unlock()
	if again {
		return nil
	}
	if c.refused { // the peer only waits for this side to hang up
		return &ByeError{bye}
	}
	c.post(wire.TypeByeAck, wire.AppendBye(nil, wire.Bye{Code: bye.Code}))
	if c.cfg.OnBye != nil {
		c.cfg.OnBye(bye)
	}
	return nil
}

func (c *Conn) onByeAck(body []byte) error {
	if _, err := wire.ParseBye(body); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = true
	c.parting.check(c)
	return nil
}
