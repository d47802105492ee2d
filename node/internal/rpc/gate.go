package rpc

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// gate decides which accepted calls run: it bounds those that run and those
// that wait, and the bytes of their arguments, per peer and in all. Places that
// become free go to the peers in turn, and within a peer to the call that has
// waited longest.
//
// A call takes its place in two steps, since the ledger decides in between
// whether it is new: reserve, and then run or wait, or giveBack.
type gate struct {
	limits gateLimits
	start  func(*ticket) // a call that waited has its place now; called under mu

	mu      sync.Mutex
	closed  bool
	running int
	waiting int
	bytes   int64
	took    time.Duration // what a handler takes, as a moving mean
	lanes   map[ledger.Caller]*lane
	latest  ledger.Caller  // who called last, and
	mixed   time.Time      // when it was last another than before, and no crowd
	turns   chain[*lane]   // peers with a call that could run but for other peers
	open    sync.WaitGroup // calls that run or wait; Add under mu, while not closed
}

// gateLimits are the gate's, each of one peer and of all.
type gateLimits struct {
	peerRuns, nodeRuns   int
	peerWaits, nodeWaits int
	peerBytes, nodeBytes int64
}

func newGate(limits gateLimits, start func(*ticket)) *gate {
	return &gate{limits: limits, start: start, took: usualPause, lanes: make(map[ledger.Caller]*lane)}
}

// admission is whether a new call may run.
type admission uint8

const (
	admitted admission = iota // at once
	queued                    // once a place is free
	peerFull
	nodeFull
	peerHeavy
	nodeHeavy
	nodeDrains
	linkParts // the call was read after BYE was sent
)

// accepted says that the call will run unless it ends before.
func (a admission) accepted() bool { return a <= queued }

// close refuses calls from now on; accepted ones go on.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// full tells whether a call would be refused, and when to come again.
func (g *gate) full(peer ledger.Caller, bytes int) (admission, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.check(g.lanes[peer], int64(bytes))
}

// reserve takes a place for a call, of those that run (admitted) or of those
// that wait (queued). With a refusal it takes none and tells when to come again.
func (g *gate) reserve(peer ledger.Caller, t *ticket, bytes int) (admission, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[peer]
	a, after := g.check(l, int64(bytes))
	if !a.accepted() {
		return a, after
	}
	if l == nil {
		l = &lane{peer: peer, took: g.took}
		l.turn.of = l
		g.lanes[peer] = l
	}
	t.lane, t.bytes, t.seat.of = l, int64(bytes), t
	l.bytes += t.bytes
	g.bytes += t.bytes
	g.open.Add(1)
	if g.latest != peer {
		if g.latest != (ledger.Caller{}) && !l.crowd() {
			g.mixed = time.Now()
		}
		g.latest = peer
	}
	if a == admitted {
		g.take(l, t)
	} else {
		l.waiting++
		g.waiting++
	}
	return a, 0
}

// check decides about a call of a peer, whose lane is nil if it has no others.
// A call alone may have more bytes than the limit: it could never run else.
func (g *gate) check(l *lane, bytes int64) (admission, time.Duration) {
	var none lane
	if l == nil {
		none.took = g.took
		l = &none
	}
	m := &g.limits
	switch {
	case g.closed:
		return nodeDrains, 0
	case l.bytes > 0 && l.bytes+bytes > m.peerBytes:
		return peerHeavy, pause(l.took, l.waiting, l.running)
	case g.bytes > 0 && g.bytes+bytes > m.nodeBytes:
		return nodeHeavy, pause(g.took, g.waiting, g.running)
	case l.running < m.peerRuns && l.waiting == 0 && g.running < m.nodeRuns:
		return admitted, 0
	case l.waiting >= m.peerWaits && l.running >= m.peerRuns:
		return peerFull, pause(l.took, l.waiting, l.running)
	case g.waiting >= m.nodeWaits:
		return nodeFull, pause(g.took, g.waiting, g.running)
	case l.waiting >= m.peerWaits:
		return peerFull, pause(l.took, l.waiting, l.running)
	}
	return queued, 0
}

// crowds tells whether a peer has many calls under way while others call
// that have few.
func (g *gate) crowds(peer ledger.Caller) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[peer]
	return l != nil && l.crowd() && time.Since(g.mixed) < crowdTime
}

const (
	crowdCalls = 16          // under way at once
	crowdTime  = time.Second // since a call came from another peer
)

const (
	usualPause = 100 * time.Millisecond // what a handler takes, before one has ended
	leastPause = 10 * time.Millisecond
	mostPause  = 5 * time.Second
)

// pause estimates when half of those that wait now will have begun, and spreads
// the answers so that the refused do not come back in step.
func pause(took time.Duration, waiting, running int) time.Duration {
	half := took * time.Duration(waiting/2+1) / time.Duration(max(running, 1))
	half = min(max(half, leastPause), mostPause)
	return half + rand.N(half/2)
}

// take gives a call a place of those that run. The caller holds mu.
func (g *gate) take(l *lane, t *ticket) {
	t.began = time.Now()
	l.running++
	g.running++
}

// wait puts a queued call into its peer's line. False means that it has been
// dropped meanwhile and has no place any more.
func (g *gate) wait(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.expired {
		g.quit(t)
		return false
	}
	t.lane.line.push(&t.seat)
	g.offer(t.lane)
	g.fill()
	return true
}

// drop takes a call out of the line; false means that it does not wait, or is
// only about to, and then wait will see it.
func (g *gate) drop(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.seat.in {
		t.expired = true
		return false
	}
	t.lane.line.remove(&t.seat)
	if t.lane.line.first == nil && t.lane.turn.in {
		g.turns.remove(&t.lane.turn)
	}
	g.quit(t)
	return true
}

// quit gives back a place of those that wait. The caller holds mu.
func (g *gate) quit(t *ticket) {
	t.lane.waiting--
	g.waiting--
	g.end(t)
}

// leave gives back the place of a call that ran.
func (g *gate) leave(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	took := time.Since(t.began)
	t.lane.took += (took - t.lane.took) / 8
	g.took += (took - g.took) / 8
	g.vacate(t)
}

// giveBack undoes a reservation.
func (g *gate) giveBack(t *ticket, a admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a == admitted {
		g.vacate(t)
	} else {
		g.quit(t)
	}
}

// vacate frees a place of those that run and fills it. The caller holds mu.
func (g *gate) vacate(t *ticket) {
	t.lane.running--
	g.running--
	g.offer(t.lane)
	g.fill()
	g.end(t)
}

// end forgets a call. The caller holds mu.
func (g *gate) end(t *ticket) {
	l := t.lane
	l.bytes -= t.bytes
	g.bytes -= t.bytes
	if l.running == 0 && l.waiting == 0 {
		delete(g.lanes, l.peer)
	}
	g.open.Done()
}

// offer lets a peer take its turn if a call of it could run. The caller holds mu.
func (g *gate) offer(l *lane) {
	if !l.turn.in && l.line.first != nil && l.running < g.limits.peerRuns {
		g.turns.push(&l.turn)
	}
}

// fill gives the free places to the peers in turn. The caller holds mu.
func (g *gate) fill() {
	for g.running < g.limits.nodeRuns && g.turns.first != nil {
		l := g.turns.first.of
		g.turns.remove(&l.turn)
		t := l.line.first.of
		l.line.remove(&t.seat)
		l.waiting--
		g.waiting--
		g.take(l, t)
		g.offer(l)
		g.start(t)
	}
}
