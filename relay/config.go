package relay

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/sockets"
)

// Defaults of Timers and Limits.
const (
	DefaultConnect      = 10 * time.Second
	DefaultPing         = 25 * time.Second
	DefaultPong         = 10 * time.Second
	DefaultWrite        = 5 * time.Second
	DefaultSessions     = 1024
	DefaultAccepted     = 768
	DefaultMembers      = 4096
	DefaultChannelQueue = 1 << 20
	DefaultQueue        = 16 << 20
)

// Bounds of how often a relay may ask for a PING.
const (
	minPing = 5 * time.Second
	maxPing = time.Minute
)

// Config says which relay to join and how. Address, Room and Handler are
// required; the zero values of the rest are their defaults. Connect does not
// change it, and it may be shared.
type Config struct {
	Address Address
	// Net is the network stack; nil is sockets.System().
	Net sockets.Net
	// TLSConfig is for https addresses; nil trusts the system's roots. TLS 1.3
	// and HTTP/1.1 are forced, ServerName is by default the address's host.
	TLSConfig *tls.Config
	// Room returns the room's key at the relay of that id, as
	// crypto.Schedule.Room does. It is called once, after the pin was checked.
	Room func(relay ID) *crypto.Room
	// Handler is told of what comes.
	Handler Handler
	Timers  Timers
	Limits  Limits
	// Logger gets debug lines about the connection, never about traffic; nil
	// logs nowhere.
	Logger *slog.Logger
}

// Timers of a client. A zero field is the default.
type Timers struct {
	Connect time.Duration // from the call of Connect to JOINED, absolute
	Ping    time.Duration // between PINGs, ± 20 %; by default what the relay asks for, within 5 s to a minute
	Pong    time.Duration // patience for an answer; after two the relay is dead
	Write   time.Duration // for the relay to take a piece of what is written, 16 KiB at most
}

// Limits of a client. A zero field is the default.
type Limits struct {
	Sessions     int // channels at a time
	Accepted     int // of those, opened by others
	Members      int // members of the room that the relay may name
	ChannelQueue int // bytes that wait to be read from one channel
	Queue        int // bytes that wait to be read from all channels
}

// Handler is told of what the relay brings. Its methods are called one at a
// time, by the goroutine in Client.Run. They must not block, since they hold up
// everything from this relay, and must not keep the bytes they are given.
type Handler interface {
	// Up tells of a member of the room, Down of its leaving. All sessions with
	// it have ended when Down is called.
	Up(Addr)
	Down(Addr)
	// Casted brings a member's latest presence token. It comes after Up.
	Casted(from Addr, token []byte)
	// Accept gives a session that a member has begun, its first record in the
	// queue. The handler owns the channel and closes it.
	Accept(*Channel)
	// Draining asks to move to another relay; this one is back after a while.
	Draining(after time.Duration)
}

// withDefaults returns a copy with nothing left to default, or why it cannot
// work.
func (c Config) withDefaults() (Config, error) {
	if err := c.Address.valid(); err != nil {
		return c, err
	}
	if c.Room == nil || c.Handler == nil {
		return c, errors.New("relay: Config needs a Room and a Handler")
	}
	if c.Net == nil {
		c.Net = sockets.System()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Timers.Connect = cmp.Or(c.Timers.Connect, DefaultConnect)
	c.Timers.Pong = cmp.Or(c.Timers.Pong, DefaultPong)
	c.Timers.Write = cmp.Or(c.Timers.Write, DefaultWrite)
	c.Limits.Sessions = cmp.Or(c.Limits.Sessions, DefaultSessions)
	c.Limits.Accepted = cmp.Or(c.Limits.Accepted, DefaultAccepted)
	c.Limits.Members = cmp.Or(c.Limits.Members, DefaultMembers)
	c.Limits.ChannelQueue = cmp.Or(c.Limits.ChannelQueue, DefaultChannelQueue)
	c.Limits.Queue = cmp.Or(c.Limits.Queue, DefaultQueue)
	for _, d := range []time.Duration{c.Timers.Connect, c.Timers.Ping, c.Timers.Pong, c.Timers.Write} {
		if d < 0 {
			return c, fmt.Errorf("relay: Config has a timer of %v", d)
		}
	}
	for _, n := range []int{c.Limits.Sessions, c.Limits.Accepted, c.Limits.Members, c.Limits.ChannelQueue, c.Limits.Queue} {
		if n < 0 {
			return c, fmt.Errorf("relay: Config has a limit of %d", n)
		}
	}
	return c, nil
}

// pingEvery settles the interval with what the relay asks for.
func (t Timers) pingEvery(asked time.Duration) time.Duration {
	if t.Ping > 0 {
		return t.Ping
	}
	if asked == 0 {
		return DefaultPing
	}
	return min(max(asked, minPing), maxPing)
}

// tlsConfig returns the configuration to dial with.
func (c Config) tlsConfig() *tls.Config {
	cfg := c.TLSConfig.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.MinVersion = tls.VersionTLS13
	cfg.DynamicRecordSizingDisabled = true // what is written together is to arrive together
	cfg.NextProtos = []string{"http/1.1"}  // a proxy must not choose HTTP/2
	if cfg.ServerName == "" {
		host, _, _ := net.SplitHostPort(c.Address.Authority) // valid by now
		cfg.ServerName, _, _ = strings.Cut(host, "%")
	}
	return cfg
}
