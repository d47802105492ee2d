package rpc

import (
	"context"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// watchdog notices a silent peer (the protocol, section 6). It is one timer.
// Every received byte counts as a sign of life, so a PONG that waits behind a
// large message on a slow path is not late. The Conn's mu guards it.
type watchdog struct {
	timer *time.Timer
	due   time.Time // when the timer fires
	probe *ping     // the watchdog's own PING while it has no PONG

	lastPing     uint64
	pings        map[uint64]*ping
	unacked      []*ledger.Entry // answered, not yet covered by a PING
	unackedBytes int
	acking       bool // a PING that acknowledges outcomes is under way
}

func (w *watchdog) init(c *Conn) {
	w.pings = make(map[uint64]*ping)
	w.due = time.Now().Add(c.cfg.Timers.IdlePing)
	w.timer = time.AfterFunc(c.cfg.Timers.IdlePing, c.watch)
}

// stop ends the watch and all waiting for PONGs.
func (w *watchdog) stop() {
	w.timer.Stop()
	for number, p := range w.pings {
		delete(w.pings, number)
		if p.done != nil {
			close(p.done)
		}
	}
}

// hurry makes the timer fire within d from now.
func (w *watchdog) hurry(now time.Time, d time.Duration) {
	due := now.Add(d)
	if w.due.After(due) {
		w.due = due
		w.timer.Reset(d)
	}
}

// watch looks after the peer and sets the timer anew.
func (c *Conn) watch() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.work.Add(1)
	defer c.work.Done()
	next, suspects := c.look()
	if next > 0 {
		c.due = time.Now().Add(next)
		c.timer.Reset(next)
	}
	c.mu.Unlock()
	for _, tell := range suspects {
		tell()
	}
	if next == 0 {
		c.link.Close(ErrDead)
	}
}

// look decides what the silence means: when to look again (0: the peer is
// dead), and whom to tell that it is suspect. The caller holds mu.
func (c *Conn) look() (next time.Duration, suspects []func()) {
	t := c.cfg.Timers
	heard := c.link.LastReceived()
	if c.probe == nil {
		limit := t.IdlePing
		if len(c.pending) > 0 || c.said {
			limit = t.BusyPing
		}
		if left := limit - time.Since(heard); left > 0 {
			return left, nil
		}
		c.probe = c.ping(nil)
		c.probing(true)
		return min(t.Suspect, t.Dead), nil
	}
	if c.probe.sent.After(heard) {
		heard = c.probe.sent
	}
	silent := time.Since(heard)
	switch {
	case silent >= t.Dead:
		return 0, nil
	case silent >= t.Suspect:
		return min(t.Suspect, t.Dead-silent), c.suspects()
	}
	return t.Suspect - silent, nil
}

// probing tells that the watchdog waits for a PONG, or no longer. The caller
// holds mu.
func (c *Conn) probing(waiting bool) {
	if c.cfg.OnProbe != nil {
		c.cfg.OnProbe(waiting)
	}
}

// suspects collects the pending calls that were not told yet.
func (c *Conn) suspects() (tell []func()) {
	for number, p := range c.pending {
		if w := p.watcher; w != nil {
			p.watcher = nil
			tell = append(tell, func() {
				w.Suspect(func() { c.forsakeIf(number, p, context.Canceled) })
			})
		}
	}
	return tell
}
