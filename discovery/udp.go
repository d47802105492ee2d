package discovery

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// The multicast groups of adverts, both scoped to the link by their hop limit.
var (
	groupV4 = netip.MustParseAddr("239.255.33.76")
	groupV6 = netip.MustParseAddr("ff02::3376") // 3376 spells FERN
)

// burst is when the rounds after a start or a change leave, counted from it.
var burst = [...]time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}

// askEvery is the least time between two questions that Ask causes.
const askEvery = time.Second

// udp is the source of UDP adverts. Its run goroutine owns the sockets and
// the times; each socket has a goroutine that reads it, which run ends.
type udp struct {
	s      *Service
	health *health

	asked     chan struct{} // holds one token: Ask was called
	announced chan struct{} // holds one token: say the news
	failed    chan struct{} // holds one token: a socket broke

	mu      sync.Mutex // guards what follows, for readers that answer
	socks   map[sockKey]*sock
	broken  []sockKey // sockets whose reading failed, for run to mend
	readers sync.WaitGroup

	// Owned by run.
	attempts map[sockKey]*attempt
	ifaces   []sockets.Interface
	rounds   rounds
	poll     time.Time
}

func newUDP(s *Service) *udp {
	return &udp{
		s: s, health: newHealth(SourceUDP, s.events, s.cfg.Logger),
		asked: make(chan struct{}, 1), announced: make(chan struct{}, 1), failed: make(chan struct{}, 1),
		socks: make(map[sockKey]*sock), attempts: make(map[sockKey]*attempt),
	}
}

func (u *udp) name() string { return SourceUDP }

func (u *udp) ask()      { poke(u.asked) }
func (u *udp) announce() { poke(u.announced) }

// poke leaves a token in a channel that holds one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run listens, asks, advertises and follows the interfaces until ctx ends.
func (u *udp) run(ctx context.Context) {
	defer u.close()
	u.poll, u.ifaces = time.Time{}, nil
	u.rounds = rounds{interval: u.s.cfg.Timers.Interval, silent: u.s.observes()}
	u.rounds.begin(kindQuestion, time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if !u.s.observes() {
				u.round(kindGoodbye)
			}
			return
		case <-timer.C:
		case <-u.failed:
			u.mend(time.Now())
		case <-u.asked:
			u.rounds.askSoon(time.Now())
		case <-u.announced:
			u.rounds.begin(kindHere, time.Now())
		}
		u.work(ctx)
		timer.Reset(time.Until(u.wake()))
	}
}

// work does what is due.
func (u *udp) work(ctx context.Context) {
	now := time.Now()
	if !now.Before(u.poll) {
		if u.reconcile(ctx, now) {
			u.rounds.begin(kindQuestion, now)
		}
	}
	if kind, due := u.rounds.due(now); due {
		if kind == kindHere && u.s.pressed() {
			kind = kindQuestion
		}
		u.round(kind)
	}
}

// wake returns when something is due next.
func (u *udp) wake() time.Time {
	if next := u.rounds.next(); !next.IsZero() && next.Before(u.poll) {
		return next
	}
	return u.poll
}

// close ends the sockets and waits for their readers.
func (u *udp) close() {
	u.mu.Lock()
	for key, k := range u.socks {
		k.Close()
		delete(u.socks, key)
	}
	u.mu.Unlock()
	u.readers.Wait()
}
