package rpc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// Conn makes and serves calls over one secure link. All methods may be called
// from any goroutine.
//
// Run's caller is the reader; it never waits for anything but the link. Once the
// peer calls a quick command, another goroutine reads, see reading. Timers
// are time.AfterFunc, so an idle Conn has no goroutine of its own. Short-lived
// ones (a large answer, a timer that fires) are counted in work, and Run waits
// for them. Handlers belong to the Server and may outlive the Conn.
type Conn struct {
	link    *link.Link
	server  *Server
	cfg     Config
	lane    *lane           // the peer's
	caller  commands.Caller // what handlers are told of the peer
	memory  *ledger.Link
	traffic *Traffic

	done  chan struct{}  // closed by Run, last
	work  sync.WaitGroup // Add under mu, while not ended
	rtt   atomic.Int64
	heard bool // a message has come from the peer; the reader's own

	refusals int    // since a call was last accepted; the reader's own
	burst    int    // since the reader last rested; the reader's own
	scratch  []byte // for the answers of shed; the reader's own

	// mu guards what follows. Messages whose order matters are posted under it.
	mu      sync.Mutex
	ended   bool  // the link has ended
	cause   error // why; set with ended
	lastUse time.Time

	// Own calls.
	next    uint64 // number of the next
	pending map[uint64]*pending
	spare   []*pending // for later calls

	// The peer's calls.
	latest     uint64 // highest number begun
	served     map[uint64]*served
	assembling int // of served

	streams int // open, of pending and served

	// Credit, in chunk bytes of the whole link.
	sendCredit int64     // what may be sent
	lastCredit time.Time // when it last grew
	hungry     []*outflow
	recvCredit int64 // what the peer may send
	recvOwed   int64 // received and not yet returned
	granted    bool  // a CREDIT was posted

	watchdog
	deadlines
	parting
	reading
}

// New makes a Conn on an open link. The caller must call Run, once.
func New(l *link.Link, s *Server, cfg Config) *Conn {
	cfg = cfg.withDefaults()
	c := &Conn{
		link: l, server: s, cfg: cfg, traffic: cfg.Traffic,
		done:       make(chan struct{}),
		lastUse:    time.Now(),
		next:       2,
		pending:    make(map[uint64]*pending),
		served:     make(map[uint64]*served),
		sendCredit: int64(cfg.LinkCredit),
		recvCredit: int64(cfg.LinkCredit),
	}
	if l.Initiator() {
		c.next = 1
	}
	var peer ledger.Caller
	peer, c.caller = identify(l.Peer(), s.cfg.Network)
	c.lane, c.memory = s.gate.attach(peer), s.ledger.Attach(peer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchdog.init(c)
	c.parting.init()
	return c
}

// identify tells under which identity the ledger and the limits know a peer,
// and how handlers see it.
func identify(p link.Peer, network string) (ledger.Caller, commands.Caller) {
	caller := commands.Caller{
		Name: p.Hello.Name, Instance: p.Hello.Instance, Network: network,
		Path: pathName(p.Transport), Observer: p.Capabilities.Observer,
	}
	if !p.Hello.HasID {
		return ledger.ByInstance(p.Hello.Instance), caller
	}
	caller.Key, caller.Verified = p.Hello.NodeKey, true
	return ledger.ByKey(p.Hello.NodeKey), caller
}

func pathName(t crypto.Transport) string {
	switch t {
	case crypto.TransportLAN:
		return "lan"
	case crypto.TransportRelay:
		return "relay"
	case crypto.TransportDirect:
		return "direct"
	case crypto.TransportPeering:
		return "peering"
	}
	return "unknown"
}

// Run serves the link until it has ended and every goroutine of the Conn has
// ended too. It returns the first cause of the end: ErrParted, a *ByeError, or
// what broke.
func (c *Conn) Run() error {
	c.end(c.read())
	if c.cfg.OnEnd != nil {
		c.cfg.OnEnd(c.cause)
	}
	c.memory.Lost()
	c.server.gate.detach(c.lane)
	c.work.Wait()
	c.server.cfg.Logger.LogAttrs(context.Background(), slog.LevelDebug, "link ended",
		slog.String("peer", c.caller.Name), slog.String("remote", c.link.Peer().Remote),
		slog.String("cause", c.cause.Error()))
	close(c.done)
	return c.cause
}

// end fails what is open. It runs once, after the last message was read.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.cause = err
	if c.theirs != nil && !errors.Is(err, ErrParted) {
		c.cause = &ByeError{*c.theirs}
	}
	for number, p := range c.pending {
		sent := p.sent && !c.refused
		c.finish(number, p, result{err: &BrokenError{Sent: sent, Cause: c.cause}})
	}
	for _, sv := range c.served {
		if sv.pipe != nil {
			sv.pipe.abort(linkLost(c.cause))
		}
		c.drop(sv)
	}
	for _, o := range c.hungry {
		o.stop()
	}
	c.watchdog.stop()
	c.silence()
	c.parting.wake()
}

// Close ends the link at once with a cause (nil is ErrClosed) and waits until
// Run has returned. Pending calls end with a *BrokenError.
func (c *Conn) Close(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	c.link.Close(cause)
	<-c.done
}

// Done is closed when Run is about to return.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is the first cause of the end; nil before.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Peer is the other side of the link.
func (c *Conn) Peer() link.Peer { return c.link.Peer() }

// Pending is the number of own calls without an answer.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// Serving is the number of the peer's calls without an answer.
func (c *Conn) Serving() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.served)
}

// Streams is the number of streams that are open, of both sides. They are
// among the calls that Pending and Serving count, and may stay for long.
func (c *Conn) Streams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams
}

// LastUse is when a call last began or ended, either way; the time of New
// before the first.
func (c *Conn) LastUse() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastUse
}

// spawn runs f on a goroutine that Run waits for. The caller holds mu and has
// seen that the Conn has not ended.
func (c *Conn) spawn(f func()) {
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		f()
	}()
}

// post appends a message whose loss would end the link anyway, so the error
// is of no use to the caller. The writer sends it.
func (c *Conn) post(t wire.Type, body []byte) {
	if c.put(t, body) == nil {
		c.link.FlushLater()
	}
}
