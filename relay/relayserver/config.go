package relayserver

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// Config is what a relay needs. Identity is required; the zero values of the
// rest are their defaults. It may not be changed after New.
type Config struct {
	// Identity is the relay's key, whose public half is the relay id that
	// clients pin. It must be kept over restarts.
	Identity *crypto.Identity
	// PublicHosts are the names by which clients dial this relay, each "host" or
	// "host:port"; a client that dialled another is refused. None accepts any.
	PublicHosts []string
	// BehindProxy says that a reverse proxy ends TLS before the relay, and that
	// all clients come from its address: HELLO tells clients to leave out the TLS
	// exporter, and the limits per address are off. On a listener whose
	// connections are TLS it changes nothing of the exporter.
	BehindProxy bool
	Limits      Limits
	Timers      Timers
	// Logger is told of the start, the stop and faults of this machine, never of
	// clients or traffic; nil logs nowhere.
	Logger *slog.Logger
}

// Limits of a relay. A zero field is the default. Those per address count an
// IPv6 /64 as one address, and exempt loopback.
type Limits struct {
	Connections      int // in all; default 16,384
	ConnectionsPerIP int // default 1,024
	HalfOpen         int // connections that have not joined; beyond it the oldest is closed; default 4,096
	HalfOpenPerIP    int // default 256
	JoinsPerIP       int // attempts per second, with a burst of as many; default 200
	Rooms            int // default 16,384
	RoomMembers      int // default 1,024
	Queue            int // bytes of records that wait for one client; default 2 MiB
	Memory           int // bytes of records that wait for all clients; default 512 MiB
}

// Timers of a relay. A zero field is the default.
type Timers struct {
	Header time.Duration // for the upgrade request, with TLS; default 5 s
	Join   time.Duration // from the accepted connection to JOINED, absolute; default 10 s
	Ping   time.Duration // what clients are asked for; default 25 s. Silence of 2.5 times that ends a connection
	Stop   time.Duration // how long a full queue holds up its senders; default 250 ms
	Stall  time.Duration // how long a client may take nothing that is written to it; default 5 s
	Return time.Duration // what DRAIN tells clients to wait before they come back; default 10 s
}

// orDefault sets a field that was left zero.
func orDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

func (l *Limits) setDefaults() {
	orDefault(&l.Connections, 16384)
	orDefault(&l.ConnectionsPerIP, 1024)
	orDefault(&l.HalfOpen, 4096)
	orDefault(&l.HalfOpenPerIP, 256)
	orDefault(&l.JoinsPerIP, 200)
	orDefault(&l.Rooms, 16384)
	orDefault(&l.RoomMembers, 1024)
	orDefault(&l.Queue, 2<<20)
	orDefault(&l.Memory, 512<<20)
}

func (t *Timers) setDefaults() {
	orDefault(&t.Header, 5*time.Second)
	orDefault(&t.Join, 10*time.Second)
	orDefault(&t.Ping, 25*time.Second)
	orDefault(&t.Stop, 250*time.Millisecond)
	orDefault(&t.Stall, 5*time.Second)
	orDefault(&t.Return, 10*time.Second)
}

// silence is how long a client may be silent: two of its PINGs, each up to a
// fifth late, and what a slow network adds.
func (t *Timers) silence() time.Duration { return t.Ping * 5 / 2 }

// errNoIdentity is what New returns for a Config without one.
var errNoIdentity = errors.New("relayserver: Config.Identity is missing")

// check completes a Config.
func (c *Config) check() error {
	if c.Identity == nil {
		return errNoIdentity
	}
	for _, h := range c.PublicHosts {
		if _, err := relay.ParseAddress(h); err != nil || strings.ContainsAny(h, "/#") {
			return fmt.Errorf("relayserver: public host %q is not host or host:port", h)
		}
	}
	if c.Limits.Queue > 0 && c.Limits.Queue < 2*relay.MaxFrame {
		return fmt.Errorf("relayserver: a queue of %d bytes is too small for two records; at least %d", c.Limits.Queue, 2*relay.MaxFrame)
	}
	c.Limits.setDefaults()
	c.Timers.setDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
