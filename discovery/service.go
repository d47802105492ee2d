package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/sockets"
)

// ErrClosed is returned by methods of a Service after Close.
var ErrClosed = errors.New("discovery: service is closed")

// Service finds the nodes of its network on this LAN and lets them find it.
// All methods are safe for concurrent use. The goroutines that Start begins
// belong to the Service and have ended when Close returns.
type Service struct {
	cfg    Config // Self and Keys are the first ones; the present ones are below
	events *events
	rules  sockets.Rules
	udp    *udp // nil with NoUDP

	sources []source
	life    sync.Mutex // guards stop, started, closed
	stop    context.CancelFunc
	working sync.WaitGroup // the sources and the sweeper
	telling sync.WaitGroup // events.run, which outlives them
	hush    context.CancelFunc
	started bool
	closed  bool

	mu       sync.Mutex // guards what follows
	self     Self
	ring     *keyring
	table    *table
	heard    *limiter // for the shared port
	answered *limiter // for the sending sockets
	counter  uint64   // of the latest advert
	skewed   skewLog
	stats    Stats
	refused  [numCauses]uint64
	pressure uint64 // CauseTotalRate at the last look of pressed
}

// New checks cfg and returns a service that does nothing until Start.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	rules, err := sockets.ParseRules(cfg.Interfaces)
	if err != nil {
		return nil, fmt.Errorf("discovery: interfaces: %w", err)
	}
	s := &Service{
		cfg: cfg, rules: rules, self: cfg.Self, ring: newKeyring(cfg.Keys),
		heard: newLimiter(cfg.Limits), answered: newLimiter(cfg.Limits),
		skewed: make(skewLog),
		// An instance that closes discovery and opens it again goes on above
		// the counters that others remember of it.
		counter: uint64(max(time.Now().UnixMilli(), 0)),
	}
	s.events = newEvents(cfg)
	s.table = newTable(cfg, s.events)
	if !cfg.NoUDP {
		s.udp = newUDP(s)
		s.sources = append(s.sources, s.udp)
	}
	if cfg.MDNS {
		s.sources = append(s.sources, newMDNS(s)...)
	}
	for _, peer := range cfg.Static {
		s.sources = append(s.sources, newStatic(s, peer))
	}
	return s, nil
}

// Start begins to listen, to ask and to advertise. It returns at once: a
// source that cannot work is reported and retried, and is never an error
// here. The service runs until Close, or until ctx ends, after which Close
// must still be called. Start may be called once.
func (s *Service) Start(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.started {
		return errors.New("discovery: service was started before")
	}
	s.started = true
	ctx, s.stop = context.WithCancel(ctx)
	for _, src := range s.sources {
		s.working.Go(func() { s.tend(ctx, src) })
	}
	s.working.Go(func() { s.sweep(ctx) })
	// What the sources find on their way out is still told.
	telling, hush := context.WithCancel(context.WithoutCancel(ctx))
	s.hush = hush
	s.telling.Go(func() { s.events.run(telling) })
	return nil
}

// Close says goodbye to the LAN, ends all goroutines and waits for them: at
// most the length of an mDNS query, and OnChange and OnReport if they are
// running. It is idempotent. It must not be called by OnChange or OnReport.
func (s *Service) Close() {
	s.life.Lock()
	defer s.life.Unlock()
	if s.started && !s.closed {
		s.stop()
		s.working.Wait()
		s.hush()
		s.telling.Wait()
	}
	s.closed = true
}

// sweep expires entries when they are due.
func (s *Service) sweep(ctx context.Context) {
	for {
		now := time.Now()
		s.mu.Lock()
		next := s.table.sweep(now)
		s.mu.Unlock()
		if !sleep(ctx, next.Sub(now)) {
			return
		}
	}
}

// Ask sends a question now, beside the regular ones; at most one per second,
// others are merged into the next. Observers and nodes may ask.
func (s *Service) Ask() {
	if s.udp != nil {
		s.udp.ask()
	}
}

// SetSelf changes the name, port, features or status and announces them at once.
// Instance and Identity must stay as they were, and an observer stays one:
// others know the node by them.
func (s *Service) SetSelf(self Self) error {
	if err := self.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case self.Instance != s.self.Instance || self.Identity != s.self.Identity:
		return errors.New("discovery: SetSelf with another instance or identity")
	case (self.Name == "") != (s.self.Name == ""):
		return errors.New("discovery: SetSelf between a node and an observer")
	}
	s.self = self
	if s.udp != nil {
		s.udp.announce()
	}
	return nil
}

// SetKeys replaces the keys, active first. Entries heard under a key that is
// gone are removed. Under a new active key the node announces itself at once.
func (s *Service) SetKeys(keys []*crypto.Schedule) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.ring.keys[0].KeyID()
	s.ring = newKeyring(slices.Clone(keys))
	s.table.rekey(s.ring, time.Now())
	if s.udp != nil && s.ring.keys[0].KeyID() != before {
		s.udp.announce()
	}
	return nil
}

// Entries returns the table, static peers included, sorted by name, instance
// and host.
func (s *Service) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.entries()
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Entries = s.table.live + len(s.table.static)
	st.Remembered = len(s.table.records) + len(s.table.observers)
	st.Refused = make(map[Cause]uint64)
	for c, n := range s.refused {
		if n > 0 {
			st.Refused[Cause(c)] = n
		}
	}
	s.events.mu.Lock()
	st.Dropped = s.events.dropped
	s.events.mu.Unlock()
	return st
}
