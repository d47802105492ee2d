package node

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node/internal/presence"
	"github.com/fernmesh/fernmesh/relay"
)

// line is the node's connection to one relay under one key of the ring: it
// joins that key's room there, tells the room who this node is, and carries
// links to its members. Its goroutine (keep) reconnects it until the node shuts
// down or the line is given up.
type line struct {
	node     *Node
	address  relay.Address
	schedule *crypto.Schedule
	learned  bool // not configured, but heard of
	guard    *admission
	first    chan struct{} // closed when the first attempt is settled
	stop     context.CancelFunc

	mu       sync.Mutex
	client   *relay.Client // nil while not joined
	seats    map[relay.Addr]sitting
	since    time.Time // of the client
	failure  error     // why the last attempt failed
	comeBack time.Duration
	counter  uint64 // of presence tokens
	settled  bool
}

// sitting is who sits at an address, and the counter of its latest presence.
type sitting struct {
	instance crypto.InstanceID
	counter  uint64
}

// keep connects, serves and reconnects until the context ends. Waits grow from
// Timers.RelayRetryMin to RelayRetryMax, with jitter so that the clients of a
// restarted relay do not come back in step.
func (l *line) keep(ctx context.Context) {
	t := l.node.cfg.Timers
	wait := t.RelayRetryMin
	for ctx.Err() == nil {
		began := time.Now()
		err := l.connect(ctx)
		l.settle(err)
		if time.Since(began) > t.RelayRetryMax {
			wait = t.RelayRetryMin
		}
		wait = l.rest(ctx, wait, l.asked(err))
	}
}

// rest waits for the next attempt, for as long as the relay asked in any case,
// and returns the wait after that. A change of the network ends what this side
// waits of itself.
func (l *line) rest(ctx context.Context, wait, asked time.Duration) time.Duration {
	t := l.node.cfg.Timers
	if asked > 0 && !sleep(ctx, asked) {
		return wait
	}
	if own := wait/2 + rand.N(wait/2+1) - asked; own > 0 && l.node.nap(ctx, own) {
		return t.RelayRetryMin
	}
	return min(2*wait, t.RelayRetryMax)
}

// asked is how long the relay wants us to stay away.
func (l *line) asked(err error) time.Duration {
	var refused *relay.RefusedError
	if errors.As(err, &refused) {
		return refused.RetryAfter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	after := l.comeBack
	l.comeBack = 0
	if after == 0 {
		return 0
	}
	return after + rand.N(after/2+1)
}

// connect joins the room and serves the connection to its end.
func (l *line) connect(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, l.node.cfg.Timers.RelayConnect)
	defer cancel()
	client, err := relay.Connect(dialing, relay.Config{
		Address: l.address, Net: l.node.relayNet(l.learned), TLSConfig: l.node.cfg.RelayTLS,
		Room:    func(id relay.ID) *crypto.Room { return l.schedule.Room(id) },
		Handler: l, Logger: l.node.cfg.Logger,
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { client.Close(ErrShutdown) })
	defer stop()
	l.joined(client)
	l.settle(nil)
	err = client.Run()
	l.left(err)
	return err
}

// settle remembers how the latest attempt ended and tells who waits for the
// first one.
func (l *line) settle(err error) {
	l.mu.Lock()
	l.failure = err
	first := !l.settled
	l.settled = true
	l.mu.Unlock()
	if first {
		close(l.first)
	}
	if err != nil {
		l.node.events.emit(Event{
			Kind: RelayDown, Path: l.path(), Reason: err.Error(), Detail: l.address.String() + ": " + err.Error(),
		})
	}
}

func (l *line) joined(c *relay.Client) {
	l.mu.Lock()
	l.client, l.since, l.seats = c, time.Now(), map[relay.Addr]sitting{}
	l.mu.Unlock()
	l.node.events.emit(Event{Kind: RelayUp, Path: l.path(), Reason: "joined", Detail: l.address.String()})
	l.announce()
}

// path is the relay as events name it.
func (l *line) path() PathInfo {
	return PathInfo{Kind: "relay", Addr: "relay " + l.address.Authority}
}

// left forgets the members that were seen on this connection alone.
func (l *line) left(err error) {
	l.mu.Lock()
	seats := l.seats
	l.client, l.seats, l.failure = nil, nil, err
	l.mu.Unlock()
	for addr, who := range seats {
		l.node.roster.unseated(who.instance, l, addr)
	}
}

// announce casts this node's presence to the room; observers stay unseen.
func (l *line) announce() {
	n := l.node
	l.mu.Lock()
	client := l.client
	l.counter++
	counter := l.counter
	l.mu.Unlock()
	if client == nil || n.cfg.Observer {
		return
	}
	p := presence.Presence{
		Instance: n.instance, Counter: counter, Time: time.Now(), Name: n.Name(), Address: presence.Address(client.Self()),
		Key: n.identity.Public(), HasKey: true, Relays: n.knownRelays(), Status: n.offers.now(),
	}
	token, err := p.Seal(l.schedule.PresenceKey(client.RelayID()), time.Now())
	if err == nil {
		err = client.Cast(token)
	}
	if err != nil && !n.isClosing() {
		n.cfg.Logger.Warn("presence could not be announced", "relay", l.address.String(), "error", err)
	}
}

// live returns the joined client, or nil.
func (l *line) live() *relay.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// relayPath names the path through the relay of a client.
func relayPath(c *relay.Client) pathKey {
	id := c.RelayID()
	return pathKey{transport: crypto.TransportRelay, via: hex.EncodeToString(id[:])}
}

// Up is told of a member that joined; its presence follows.
func (l *line) Up(relay.Addr) {}

// Down is told of a member that left. Its sessions have ended.
func (l *line) Down(addr relay.Addr) {
	l.mu.Lock()
	who, seated := l.seats[addr]
	delete(l.seats, addr)
	l.mu.Unlock()
	if seated {
		l.node.roster.unseated(who.instance, l, addr)
	}
}

// Casted is told of a member's presence. What does not open under this room's
// key, names another address, or is older than what was known, is a lie of the
// relay and is passed over.
func (l *line) Casted(addr relay.Addr, token []byte) {
	client := l.live() // Run, which calls this, comes after joined
	p, err := presence.Open(l.schedule.PresenceKey(client.RelayID()), token, presence.Address(addr))
	if err != nil {
		l.node.count.PresenceRefused.Add(1)
		return
	}
	if p.Instance == l.node.instance {
		return
	}
	l.mu.Lock()
	before, known := l.seats[addr]
	if known && before.instance == p.Instance && p.Counter < before.counter {
		l.mu.Unlock()
		l.node.count.PresenceRefused.Add(1)
		return
	}
	if len(l.seats) >= l.node.cfg.Limits.Roster && !known {
		l.mu.Unlock()
		l.node.count.RosterFull.Add(1)
		return
	}
	l.seats[addr] = sitting{p.Instance, p.Counter}
	l.mu.Unlock()
	if known && before.instance != p.Instance {
		l.node.roster.unseated(before.instance, l, addr)
	}
	if heir := l.node.roster.seated(p, l, addr); heir != nil {
		l.node.introduce(heir)
	}
	l.node.learn(p.Relays)
}

// Draining is told that the relay will restart: links through it move away.
func (l *line) Draining(after time.Duration) {
	l.mu.Lock()
	l.comeBack = after
	l.mu.Unlock()
	key := relayPath(l.live())
	l.node.spawn(func() { l.node.moveAway(key) })
}

// Accept is told that a member opens a session to this node.
func (l *line) Accept(ch *relay.Channel) {
	n, key := l.node, relayPath(l.live())
	v := &visitor{conn: ch, exempt: true} // a member of the room: limits are the line's
	if n.cfg.Observer || !l.guard.enter(v) ||
		!n.spawnRefusing(func() { n.handshake(l.guard, v, ch, key, &ring{usable: []*crypto.Schedule{l.schedule}}) }) {
		_ = ch.Close() // refused without a byte
	}
}
