package relay

import (
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

const (
	// readBuffer is what a client reads at a time at rest.
	readBuffer = 16 << 10
	// flushFor is how long Close lets what was written leave.
	flushFor = time.Second
)

// Client is a member of a room at a relay. Its methods are safe for concurrent
// use. Run reads on the caller's goroutine; the client has one goroutine of its
// own, the writer, which Close and Run wait for.
type Client struct {
	cfg    Config
	raw    net.Conn       // closed by fail
	outlet *outlet.Outlet // over raw, by which all is written
	conn   net.Conn       // raw, or TLS over the outlet
	secure bool
	frames *FrameReader // Run's
	relay  ID
	self   Addr

	out     outgoing
	sending sending
	alive   keepalive
	rtt     atomic.Int64 // nanoseconds
	queued  atomic.Int64 // bytes in the inboxes of all channels
	running atomic.Bool

	written chan struct{} // closed by the writer when it ends
	done    chan struct{} // closed by fail

	mu       sync.Mutex
	sessions map[sessionKey]*Channel
	accepted int // sessions that others opened
	members  map[Addr]struct{}
	told     toldSet
	err      error // the first cause; set once, with done
}

// newClient makes a client of a finished join.
func newClient(raw net.Conn, j *joining) *Client {
	c := &Client{
		cfg: j.cfg, raw: raw, outlet: outlet.Of(j.conn), conn: j.conn, secure: j.tls != nil, frames: j.frames,
		relay: j.hello.Relay, self: j.self,
		written: make(chan struct{}), done: make(chan struct{}),
		sessions: make(map[sessionKey]*Channel), members: make(map[Addr]struct{}),
	}
	c.outlet.Hold()
	c.out.wake = make(chan struct{}, 1)
	c.rtt.Store(int64(j.rtt))
	c.alive.init(j.cfg.Timers.pingEvery(j.hello.Ping), j.cfg.Timers.Pong)
	return c
}

// start begins writing.
func (c *Client) start() {
	version := "none"
	if t, ok := c.conn.(*tls.Conn); ok {
		version = tls.VersionName(t.ConnectionState().Version)
	}
	c.cfg.Logger.Debug("joined relay", slog.String("relay", c.cfg.Address.Authority), slog.String("tls", version))
	go c.write()
}

// RelayID returns the relay's proven identity.
func (c *Client) RelayID() ID { return c.relay }

// Self returns this member's address.
func (c *Client) Self() Addr { return c.self }

// LocalAddr returns this end's address of the connection to the relay.
func (c *Client) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// Secure reports whether the connection is TLS.
func (c *Client) Secure() bool { return c.secure }

// RTT returns the last measured round trip to the relay. The first is that of
// the join.
func (c *Client) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended; nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Members returns the addresses that are up, in no order.
func (c *Client) Members() []Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Addr, 0, len(c.members))
	for a := range c.members {
		all = append(all, a)
	}
	return all
}

// Cast gives the relay this member's presence token, for all members there are
// and will be. Only the latest counts. It does not wait; the token is copied.
func (c *Client) Cast(token []byte) error {
	if len(token) == 0 || len(token) > MaxToken {
		return ErrTokenLength
	}
	if !c.out.cast(token) {
		return c.ended()
	}
	return nil
}

// Close ends the connection and all its channels, and waits for the writer. With
// a nil cause, what was written before leaves first, for at most a second, and
// Run returns ErrClosed; with a cause it ends at once, and Run returns that.
// The first cause wins. Close may be called again, and by a Handler.
func (c *Client) Close(cause error) {
	if cause == nil {
		c.out.close()
		timer := time.NewTimer(flushFor)
		defer timer.Stop()
		select {
		case <-c.written:
		case <-timer.C:
		}
		cause = ErrClosed
	}
	c.fail(cause)
	<-c.written
}

// fail ends the connection. It is the only place that closes it.
func (c *Client) fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = cause
	close(c.done)
	sessions := c.sessions
	c.sessions = nil
	c.mu.Unlock()
	_ = c.raw.Close() // not TLS's own Close, which may wait for the relay
	c.out.close()
	lost := &LostError{Relay: c.cfg.Address.Authority, Cause: cause}
	for _, ch := range sessions {
		ch.end(lost)
	}
	c.cfg.Logger.Debug("left relay", slog.String("relay", c.cfg.Address.Authority), slog.String("cause", cause.Error()))
}

// ended returns why nothing is sent any more.
func (c *Client) ended() error {
	if err := c.Err(); err != nil {
		return err
	}
	return ErrClosed
}
