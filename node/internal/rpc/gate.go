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
	bytes   int64                   // of those that run
	held    int64                   // bytes of those that wait
	took    time.Duration           // what a handler takes, as a moving mean
	lanes   map[ledger.Caller]*lane // of peers with a link or a call
	latest  *lane                   // who called last, and
	mixed   time.Time               // when it was last another than before, and no crowd
	turns   chain[*lane]            // peers with a call that could run but for other peers
	open    sync.WaitGroup          // calls that run or wait; Add under mu, while not closed
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

// attach returns the lane of a peer to a link with it, which detaches from it
// at its end.
func (g *gate) attach(peer ledger.Caller) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[peer]
	if l == nil {
		l = &lane{peer: peer, took: g.took}
		l.turn.of = l
		g.lanes[peer] = l
	}
	l.links++
	return l
}

// detach ends a link's use of a lane. Calls of the link may run on.
func (g *gate) detach(l *lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.links--
	g.forget(l)
}

// forget drops the lane of a peer that has neither links nor calls. The caller
// holds mu.
func (g *gate) forget(l *lane) {
	if l.running > 0 || l.waiting > 0 || l.links > 0 {
		return
	}
	delete(g.lanes, l.peer)
	if g.latest == l {
		g.latest = nil
	}
}

// full tells whether a call would be refused, and when to come again.
func (g *gate) full(l *lane, bytes int) (admission, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.check(l, int64(bytes))
}

// reserve takes a place for a call, of those that run (admitted) or of those
// that wait (queued). With a refusal it takes none and tells when to come again.
func (g *gate) reserve(l *lane, t *ticket, bytes int) (admission, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, after := g.check(l, int64(bytes))
	if !a.accepted() {
		return a, after
	}
	t.lane, t.bytes, t.seat.of = l, int64(bytes), t
	g.open.Add(1)
	if g.latest != l {
		if g.latest != nil && !l.crowd() {
			g.mixed = time.Now()
		}
		g.latest = l
	}
	if a == admitted {
		g.take(l, t)
	} else {
		l.waiting++
		g.waiting++
		l.held += t.bytes
		g.held += t.bytes
	}
	return a, 0
}

// check decides about a call of a peer. Who finds the bytes of those that run used
// up waits, like who finds all places taken. While another peer waits for bytes,
// nobody overtakes it.
func (g *gate) check(l *lane, bytes int64) (admission, time.Duration) {
	m := &g.limits
	free := l.waiting == 0 && g.turns.first == nil && g.fits(l, bytes)
	switch {
	case g.closed:
		return nodeDrains, 0
	case l.running < m.peerRuns && g.running < m.nodeRuns && free:
		return admitted, 0
	case !within(l.held, bytes, m.peerBytes):
		return peerHeavy, pause(l.took, l.waiting, l.running)
	case !within(g.held, bytes, m.nodeBytes):
		return nodeHeavy, pause(g.took, g.waiting, g.running)
	case l.waiting >= m.peerWaits && l.running >= m.peerRuns:
		return peerFull, pause(l.took, l.waiting, l.running)
	case g.waiting >= m.nodeWaits:
		return nodeFull, pause(g.took, g.waiting, g.running)
	case l.waiting >= m.peerWaits:
		return peerFull, pause(l.took, l.waiting, l.running)
	}
	return queued, 0
}

// within tells whether a call may join those that have held bytes. A call alone
// may have more than the limit: it could never run else.
func within(held, bytes, limit int64) bool { return held == 0 || held+bytes <= limit }

// fits tells whether a call of a peer may run as far as its bytes go. The caller
// holds mu.
func (g *gate) fits(l *lane, bytes int64) bool {
	return within(l.bytes, bytes, g.limits.peerBytes) && within(g.bytes, bytes, g.limits.nodeBytes)
}

// crowds tells whether a peer has many calls under way while others call
// that have few.
func (g *gate) crowds(l *lane) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return l.crowd() && time.Since(g.mixed) < crowdTime
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
	l.bytes += t.bytes
	g.bytes += t.bytes
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
	if t.lane.turn.in {
		g.turns.remove(&t.lane.turn)
	}
	g.offer(t.lane) // the next may be lighter
	g.fill()
	g.quit(t)
	return true
}

// quit gives back a place of those that wait. The caller holds mu.
func (g *gate) quit(t *ticket) {
	g.unwait(t)
	g.end(t)
}

// unwait takes a call off those that wait. The caller holds mu.
func (g *gate) unwait(t *ticket) {
	t.lane.waiting--
	g.waiting--
	t.lane.held -= t.bytes
	g.held -= t.bytes
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
	t.lane.bytes -= t.bytes
	g.bytes -= t.bytes
	g.offer(t.lane)
	g.fill()
	g.end(t)
}

// end forgets a call. The caller holds mu.
func (g *gate) end(t *ticket) {
	g.forget(t.lane)
	g.open.Done()
}

// offer lets a peer take its turn if a call of it could run. The caller holds mu.
func (g *gate) offer(l *lane) {
	if l.turn.in || l.line.first == nil || l.running >= g.limits.peerRuns {
		return
	}
	if within(l.bytes, l.line.first.of.bytes, g.limits.peerBytes) {
		g.turns.push(&l.turn)
	}
}

// fill gives the free places to the peers in turn. Who lacks bytes keeps its turn:
// they become free as calls end. The caller holds mu.
func (g *gate) fill() {
	for g.running < g.limits.nodeRuns && g.turns.first != nil {
		l := g.turns.first.of
		t := l.line.first.of
		if !g.fits(l, t.bytes) {
			return
		}
		g.turns.remove(&l.turn)
		l.line.remove(&t.seat)
		g.unwait(t)
		g.take(l, t)
		g.offer(l)
		g.start(t)
	}
}
