package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// way is one way to make a link to a member: a LAN address, or a relay.
type way struct {
	label string // for errors
	key   pathKey
	dial  func(ctx context.Context, a *attempt) (*link.Link, error)
}

// whom says who is to answer an attempt.
type whom struct {
	name string // empty: whoever is there
	host string // of Config.Peers, if that was dialled
	peer *lifeRecord
}

// attempt is one try of one way.
type attempt struct {
	whom
	life  *life
	hello time.Duration // for each of the connection and HELLO
}

// lanPath is the path of every LAN address: there is one LAN link per member.
var lanPath = pathKey{transport: crypto.TransportLAN}

// ways lists how the member can be reached, best first: the LAN, then relays.
// The path of avoid, which has fallen silent, comes last. Callers hold roster.mu.
func (n *Node) ways(m *member, avoid *session) []way {
	ways := append(n.lanWays(order(slices.Clone(m.addrs))), m.relayWays()...)
	for i, w := range ways {
		ways[i] = n.roster.watched(m, w)
	}
	if avoid == nil {
		return ways
	}
	slices.SortStableFunc(ways, func(a, b way) int {
		switch aLast, bLast := a.key == avoid.key, b.key == avoid.key; {
		case aLast == bLast:
			return 0
		case aLast:
			return 1
		}
		return -1
	})
	return ways
}

func (n *Node) lanWays(addrs []netip.AddrPort) []way {
	ways := make([]way, 0, len(addrs))
	for _, addr := range addrs {
		ways = append(ways, way{addr.String(), lanPath, func(ctx context.Context, a *attempt) (*link.Link, error) {
			return n.dialLAN(ctx, a, addr.String())
		}})
	}
	return ways
}

// order puts loopback first, then the address heard of most recently.
func order(addrs []discovery.Addr) []netip.AddrPort {
	slices.SortStableFunc(addrs, func(a, b discovery.Addr) int {
		if al, bl := a.AddrPort.Addr().IsLoopback(), b.AddrPort.Addr().IsLoopback(); al != bl {
			if al {
				return -1
			}
			return 1
		}
		return b.Seen.Compare(a.Seen)
	})
	var out []netip.AddrPort
	for _, a := range addrs {
		if !slices.Contains(out, a.AddrPort) {
			out = append(out, a.AddrPort)
		}
	}
	return out
}

// tried is the end of one attempt on one way.
type tried struct {
	way  way
	life *life
	link *link.Link
	err  error
}

// race tries the ways one after the other, the next one beside those that have
// been silent for Timers.Race or at once when one fails, and returns the first
// link. Attempts that come too late are closed.
func (n *Node) race(ctx context.Context, to whom, ways []way) (*link.Link, *life, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan tried, len(ways))
	failed := &NoPathError{Name: to.name}
	var last error
	running, next := 0, 0
	for next < len(ways) || running > 0 {
		var hurry <-chan time.Time
		if next < len(ways) {
			if running == 0 {
				n.try(ctx, to, ways[next], results)
				next, running = next+1, running+1
				continue
			}
			timer := time.NewTimer(n.cfg.Timers.Race)
			defer timer.Stop()
			hurry = timer.C
		}
		select {
		case <-hurry:
			n.try(ctx, to, ways[next], results)
			next, running = next+1, running+1
		case r := <-results:
			running--
			if r.err == nil {
				n.count.LinksDialed.Add(1)
				n.discard(results, running)
				return r.link, r.life, nil
			}
			n.count.DialsFailed.Add(1)
			failed.Tried = append(failed.Tried, fmt.Sprintf("%s: %v", r.way.label, r.err))
			last = r.err
		}
	}
	if len(ways) == 0 {
		failed.Tried = append(failed.Tried, "no address is known")
	}
	return nil, nil, errors.Join(failed, last)
}

func (n *Node) try(ctx context.Context, to whom, w way, results chan<- tried) {
	a := &attempt{whom: to, hello: n.timers(to.name, to.host).Hello}
	a.life = n.peers.dialled(to.peer, w.key, w.label)
	if !n.spawn(func() {
		l, err := w.dial(ctx, a)
		if err != nil {
			n.failed(a.life, err)
		}
		results <- tried{w, a.life, l, err}
	}) {
		a.life.end(ReasonShutdown, ErrShutdown)
		results <- tried{w, a.life, nil, ErrShutdown}
	}
}

// discard closes the links of attempts that lost the race.
func (n *Node) discard(results <-chan tried, running int) {
	if running == 0 {
		return
	}
	n.spawn(func() {
		for range running {
			if r := <-results; r.link != nil {
				r.link.Close(errLostRace)
				r.life.end(ReasonClean, errLostRace)
			}
		}
	})
}

var errLostRace = errors.New("another way answered first")

// dialLAN makes a link over TCP. An empty name means whoever answers.
func (n *Node) dialLAN(ctx context.Context, a *attempt, address string) (*link.Link, error) {
	dialing, cancel := context.WithTimeout(ctx, a.hello)
	defer cancel()
	conn, err := n.cfg.Net.Dial(dialing, address)
	if err != nil {
		return nil, err
	}
	return n.greet(ctx, a, link.Stream(conn), n.keyring())
}

// greet is the handshake over a connection that was just made.
func (n *Node) greet(ctx context.Context, a *attempt, c link.Carrier, keys *ring) (*link.Link, error) {
	a.life.move(StateConnected)
	cfg := n.linkConfig(keys)
	cfg.HandshakeTimeout = a.hello
	return link.Dial(ctx, c, cfg, a.name)
}
