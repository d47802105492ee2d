package rpc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// How long a command that was slow on a reader is not run there: longer each time
// it happens again. So a single stall of the machine costs little, and a command
// that always waits is tried seldom.
const (
	leastRest = time.Second
	mostRest  = 10 * time.Minute
)

// overseer looks after the handlers that run on readers. Every budget it looks at
// all of them; one that it sees a second time has run for a budget at least and
// for two at most. It then gives the link's reading to another goroutine, and the
// command's next calls to goroutines of their own. While no handler runs on any
// reader, no timer runs.
type overseer struct {
	budget  time.Duration
	demoted func(cmd *commands.Command, rest time.Duration) // may be nil

	awake atomic.Bool // a look is due
	slow  atomic.Bool // resting holds something
	count struct{ begun, demoted atomic.Uint64 }

	mu      sync.Mutex
	timer   *time.Timer
	conns   map[*Conn]uint64 // whose readers run handlers, with the turn that was seen last
	resting map[*commands.Command]rest
}

// rest is until when a command is not run on readers.
type rest struct {
	until time.Time
	took  time.Duration
}

func newOverseer(budget time.Duration, demoted func(*commands.Command, time.Duration)) *overseer {
	return &overseer{
		budget: budget, demoted: demoted,
		conns: make(map[*Conn]uint64), resting: make(map[*commands.Command]rest),
	}
}

func (o *overseer) watch(c *Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns[c] = 0
}

func (o *overseer) forget(c *Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, c)
}

// begins sees to a look after a turn that has begun.
func (o *overseer) begins() {
	o.count.begun.Add(1)
	if !o.awake.Load() && o.awake.CompareAndSwap(false, true) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.again()
	}
}

// again sets the timer. The caller holds mu.
func (o *overseer) again() {
	if o.timer == nil {
		o.timer = time.AfterFunc(o.budget, o.look)
	} else {
		o.timer.Reset(o.budget)
	}
}

// look finds the handlers that have run for long. A turn that begins after its
// first line wakes the overseer by itself; one that began before is seen.
func (o *overseer) look() {
	o.awake.Store(false)
	var slow []*commands.Command
	o.mu.Lock()
	running := false
	for c, seen := range o.conns {
		turn := c.turn.Load()
		if turn == 0 {
			continue
		}
		running = true
		o.conns[c] = turn
		if turn == seen && c.turn.CompareAndSwap(turn, 0) {
			slow = append(slow, c.runs.command) // before the next reader may change runs
			go c.readOn()
		}
	}
	if running && o.awake.CompareAndSwap(false, true) {
		o.again()
	}
	o.mu.Unlock()
	for _, cmd := range slow {
		o.demote(cmd)
	}
}

// demote keeps a command off the readers for a while.
func (o *overseer) demote(cmd *commands.Command) {
	now := time.Now()
	o.mu.Lock()
	for other, r := range o.resting {
		if now.Sub(r.until) > mostRest {
			delete(o.resting, other)
		}
	}
	r := o.resting[cmd]
	again := now.Before(r.until) // it ran on two readers
	if !again {
		r.took = min(max(2*r.took, leastRest), mostRest)
		r.until = now.Add(r.took)
		o.resting[cmd] = r
	}
	o.mu.Unlock()
	o.slow.Store(true)
	if again {
		return
	}
	o.count.demoted.Add(1)
	if o.demoted != nil {
		o.demoted(cmd, r.took)
	}
}

// rests tells whether a command has goroutines of its own for now.
func (o *overseer) rests(cmd *commands.Command) bool {
	if o.budget < 0 {
		return true
	}
	if !o.slow.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r, known := o.resting[cmd]
	return known && time.Now().Before(r.until)
}
