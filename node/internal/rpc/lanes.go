package rpc

import (
	"time"

	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// lane is one peer's calls that have been accepted, over all links with it: those
// that run and, first come first served, those that wait. The gate's mu guards it.
type lane struct {
	peer    ledger.Caller
	links   int // open ones
	running int
	waiting int           // with those that are about to wait
	bytes   int64         // of those that run
	held    int64         // bytes of those that wait
	took    time.Duration // what a handler takes, as a moving mean
	line    chain[*ticket]
	turn    chained[*lane] // in gate.turns while a call could run but for other peers
}

// crowd tells whether the peer has many calls under way.
func (l *lane) crowd() bool { return l.running+l.waiting >= crowdCalls }

// ticket is a call's place in the gate: it runs, waits, or is about to wait.
// The gate's mu guards it until start is called, which ends its waiting.
type ticket struct {
	sv      *served
	lane    *lane
	bytes   int64
	began   time.Time
	seat    chained[*ticket] // in lane.line while it waits
	expired bool             // dropped before it could wait
}

// chain is a list in order, made of links that its members hold: taking one
// out of the middle costs nothing, and adding one allocates nothing.
type chain[T any] struct{ first, last *chained[T] }

// chained is a member's place in a chain.
type chained[T any] struct {
	of         T
	in         bool
	prev, next *chained[T]
}

func (c *chain[T]) push(l *chained[T]) {
	l.in, l.prev, l.next = true, c.last, nil
	if c.last == nil {
		c.first = l
	} else {
		c.last.next = l
	}
	c.last = l
}

func (c *chain[T]) remove(l *chained[T]) {
	if l.prev == nil {
		c.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		c.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.in, l.prev, l.next = false, nil, nil
}
