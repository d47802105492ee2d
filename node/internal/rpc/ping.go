package rpc

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// ping is a PING without its PONG. Each takes along the outcomes answered
// before it, since its PONG acknowledges them.
type ping struct {
	number uint64
	sent   time.Time
	acks   []*ledger.Entry
	done   chan time.Duration // nil when nobody waits; else of capacity 1
}

// ping sends a PING. The caller holds mu.
func (c *Conn) ping(done chan time.Duration) *ping {
	p := c.putPing(done)
	c.link.FlushLater()
	return p
}

// putPing is ping for who flushes. The caller holds mu.
func (c *Conn) putPing(done chan time.Duration) *ping {
	c.lastPing++
	p := &ping{number: c.lastPing, sent: time.Now(), acks: c.unacked, done: done}
	c.pings[p.number] = p
	if len(c.unacked) > 0 {
		c.unacked, c.unackedBytes, c.acking = nil, 0, true
	}
	var echo wire.Echo
	binary.BigEndian.PutUint64(echo[:], p.number)
	_ = c.put(wire.TypePing, echo[:]) // fails only with the link
	return p
}

// Ping sends a PING and waits for its PONG.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	done := make(chan time.Duration, 1)
	c.mu.Lock()
	if c.ended {
		defer c.mu.Unlock()
		return 0, &BrokenError{Cause: c.cause}
	}
	p := c.ping(done)
	c.mu.Unlock()
	select {
	case rtt, ok := <-done:
		if !ok {
			return 0, &BrokenError{Sent: true, Cause: c.Err()}
		}
		return rtt, nil
	case <-ctx.Done():
		c.mu.Lock()
		p.done = nil // its PONG still acknowledges
		c.mu.Unlock()
		return 0, &AbandonedError{Sent: true, Cause: ctx.Err()}
	}
}

// RTT is the round-trip time of the latest PONG; 0 before the first.
func (c *Conn) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// onPing answers. A peer that sends PINGs and does not read the answers fills
// the outbox until its hard bound ends the link.
func (c *Conn) onPing(body []byte) error {
	echo, err := wire.ParseEcho(body)
	if err != nil {
		return err
	}
	if c.put(wire.TypePong, echo[:]) == nil {
		c.link.FlushSoon()
	}
	return nil
}

func (c *Conn) onPong(body []byte) error {
	echo, err := wire.ParseEcho(body)
	if err != nil {
		return err
	}
	number := binary.BigEndian.Uint64(echo[:])
	c.mu.Lock()
	p := c.pings[number]
	if p == nil {
		c.mu.Unlock()
		return nil
	}
	delete(c.pings, number)
	if c.probe == p {
		c.probe = nil
		c.probing(false)
	}
	if len(p.acks) > 0 {
		c.acking = false
		c.askForAck() // for what was answered meanwhile
	}
	rtt := max(time.Since(p.sent), 1)
	c.rtt.Store(int64(rtt))
	if p.done != nil {
		p.done <- rtt
	}
	c.mu.Unlock()
	if len(p.acks) > 0 {
		c.link.FlushSoon()
		c.server.ledger.Acknowledge(p.acks)
	}
	return nil
}
