package discovery

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/sockets"
)

// DefaultPort is the UDP port on which adverts are heard: 3376 spells FERN.
const DefaultPort = 3376

// Self is what a service says about its own node.
type Self struct {
	// Name is the node's name, 1 to 64 bytes (the protocol, section 9). An
	// empty name makes an observer: it asks and listens, and never
	// advertises; it is in nobody's table.
	Name string
	// Instance is this process's random id, the same that its HELLO carries.
	Instance crypto.InstanceID
	// Port is the TCP port on which the node accepts links; not 0 for a
	// named node.
	Port uint16
	// Features are the feature bits of the node's offer.
	Features uint64
	// Status is what the node offers, in the protocol's encoding (STATUS); nil
	// says nothing. Where it does not fit, its brief form goes in its place.
	Status []byte
	// Identity signs the adverts. Nil sends them unsigned, without a node key.
	Identity *crypto.Identity
}

// Config says what a Service does. New copies it and fills in defaults.
type Config struct {
	// Net is the network stack; nil means sockets.System().
	Net sockets.Net
	// Keys are the schedules of the ring's usable keys, active first. The
	// active key seals; every key opens. 1 to 4.
	Keys []*crypto.Schedule
	// Self is the node to advertise.
	Self Self
	// AdvertPort is the UDP port of the adverts; 0 means DefaultPort. All
	// nodes that are to find each other use the same one.
	AdvertPort uint16
	// Interfaces are rules for sockets.Select: names, globs or prefixes, with
	// a leading ! to exclude. Empty means every usable interface and loopback.
	Interfaces []string
	// NoUDP turns the UDP adverts off: nothing is sent to the LAN and no UDP
	// port is bound. With MDNS off too, only the static peers remain.
	NoUDP bool
	// MDNS adds the second source. It works only on the machine's own network
	// stack and in builds without the tag nomdns; elsewhere it does nothing.
	MDNS bool
	// Static are peers as "host:port", for networks that carry neither
	// broadcast nor multicast.
	Static []string
	// RelaxSource accepts adverts whose UDP source is not one of the sender's
	// own addresses (odd NATs). Questions from such a source stay unanswered.
	RelaxSource bool
	// MaxSkew is how far a peer's clock may be off, either way; 0 means 2
	// minutes, at most 10 minutes.
	MaxSkew time.Duration
	// Timers and Limits; zero fields mean their defaults.
	Timers Timers
	Limits Limits
	// Logger gets debug records about sources; nil discards. No advert and
	// no refusal is ever logged one by one: Stats counts them.
	Logger *slog.Logger
	// OnChange is told of every change of the table, in order, one at a time,
	// on the service's own goroutine. It may call every method but Close. A
	// slow OnChange loses nothing that matters: changes of one entry that it
	// has not seen yet are merged.
	OnChange func(Change)
	// OnReport is told when a source fails or recovers and when a peer's
	// clock is off, in the same manner. At most 64 reports wait; more are
	// dropped and counted.
	OnReport func(Report)
}

// Timers are the service's periods. The zero value of a field means its
// default, which is the protocol's.
type Timers struct {
	Interval  time.Duration // between steady rounds, ± 20 %; 10 s
	Expiry    time.Duration // silence after which an entry goes; 36 s
	Remember  time.Duration // how much longer its counter is kept; 4 min
	Poll      time.Duration // between looks at the interface list; 2 s
	FastPoll  time.Duration // the same while an address cannot be bound yet; 200 ms
	MDNSEvery time.Duration // between mDNS queries on one interface, at least 30 s; 30 s
	MDNSQuery time.Duration // length of one mDNS query, at most 1 s; 1 s
	MDNSGrace time.Duration // an observer's wait before its first mDNS query; 1 s
	Resolve   time.Duration // between look-ups of a static peer's host name; 1 min
	RetryMin  time.Duration // first wait after a failure; 1 s
	RetryMax  time.Duration // longest wait after failures; 1 min
}

// Limits bound what strangers and members can make a service spend. The zero
// value of a field means its default.
type Limits struct {
	Table      int // live entries learnt from adverts; 4,096
	Remembered int // instances whose counter is kept, live ones included; 8,192
	Observers  int // observers whose questions are remembered; 4,096
	Sources    int // source addresses whose rate is watched at a time; 4,096
	PerSource  int // datagrams per second from one source address, loopback exempt; 20
	Total      int // datagrams per second from all sources; 2,000
	Interfaces int // interfaces in use at a time, the first by index; 64
}

// withDefaults returns a checked copy of c with every default filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Net == nil {
		c.Net = sockets.System()
	}
	if c.AdvertPort == 0 {
		c.AdvertPort = DefaultPort
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxSkew == 0 {
		c.MaxSkew = 2 * time.Minute
	}
	c.Keys = slices.Clone(c.Keys)
	c.Interfaces = slices.Clone(c.Interfaces)
	c.Static = slices.Compact(slices.Sorted(slices.Values(c.Static)))
	c.Timers = c.Timers.withDefaults()
	c.Limits = c.Limits.withDefaults()
	return c, c.validate()
}

func (c Config) validate() error {
	if err := checkKeys(c.Keys); err != nil {
		return err
	}
	if err := c.Self.validate(); err != nil {
		return err
	}
	if c.MaxSkew < 0 || c.MaxSkew > 10*time.Minute {
		return fmt.Errorf("discovery: MaxSkew %v is not between 0 and 10 minutes", c.MaxSkew)
	}
	for _, peer := range c.Static {
		if err := checkStatic(peer); err != nil {
			return err
		}
	}
	return nil
}

func checkKeys(keys []*crypto.Schedule) error {
	if len(keys) == 0 {
		return errors.New("discovery: no key")
	}
	if len(keys) > maxKeys {
		return fmt.Errorf("discovery: %d keys, at most %d are allowed", len(keys), maxKeys)
	}
	if slices.Contains(keys, nil) {
		return errors.New("discovery: a key is nil")
	}
	return nil
}

// maxKeys is the length of a key ring (the protocol, section 1).
const maxKeys = 4

func (s Self) validate() error {
	if s.Instance == (crypto.InstanceID{}) {
		return errors.New("discovery: Self.Instance is zero")
	}
	if s.Status != nil {
		if _, err := wire.ParseStatus(s.Status); err != nil {
			return fmt.Errorf("discovery: Self.Status: %w", err)
		}
	}
	if s.Name == "" {
		return nil
	}
	if err := wire.CheckName("name", s.Name); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	if s.Port == 0 {
		return errors.New("discovery: Self.Port is 0")
	}
	return nil
}

func checkStatic(peer string) error {
	host, port, err := net.SplitHostPort(peer)
	if err != nil {
		return fmt.Errorf("discovery: static peer %q: want host:port", peer)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("discovery: static peer %q: want host:port with a port from 1 to 65535", peer)
	}
	return nil
}

func (t Timers) withDefaults() Timers {
	fill(&t.Interval, 10*time.Second)
	fill(&t.Expiry, 36*time.Second)
	fill(&t.Remember, 4*time.Minute)
	fill(&t.Poll, 2*time.Second)
	fill(&t.FastPoll, 200*time.Millisecond)
	fill(&t.MDNSEvery, 30*time.Second)
	fill(&t.MDNSQuery, time.Second)
	fill(&t.MDNSGrace, time.Second)
	fill(&t.Resolve, time.Minute)
	fill(&t.RetryMin, time.Second)
	fill(&t.RetryMax, time.Minute)
	return t
}

func (l Limits) withDefaults() Limits {
	fill(&l.Table, 4096)
	fill(&l.Remembered, 8192)
	fill(&l.Observers, 4096)
	fill(&l.Sources, 4096)
	fill(&l.PerSource, 20)
	fill(&l.Total, 2000)
	fill(&l.Interfaces, 64)
	return l
}

// fill sets *v to its default unless a positive value was given.
func fill[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
