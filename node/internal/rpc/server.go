package rpc

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// Server runs the commands that peers call, over all links of a node. It owns
// the goroutines of the handlers, which outlive their link by the grace of the
// ledger; Close ends them.
type Server struct {
	cfg    ServerConfig
	ledger *ledger.Ledger
	ctx    context.Context // parent of all handlers'
	cancel context.CancelFunc

	mu       sync.Mutex
	draining bool
	running  int
	peers    map[ledger.Caller]int // running calls, of those that have any
	handlers sync.WaitGroup        // Add under mu, while not draining

	assembly atomic.Int64 // bytes of messages that arrive as chunks
	counters counters

	streams    atomic.Int64 // bytes held by what came of streams and was not read
	streamPeak atomic.Int64 // the most of it ever
}

type counters struct {
	started, repeats, overloaded, cancelled, stalled atomic.Uint64
}

// NewServer makes a Server. Its caller ends it with Close.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg.withDefaults(), peers: make(map[ledger.Caller]int)}
	s.ledger = ledger.New(cfg.Ledger)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Drain refuses new calls on every link (UNAVAILABLE, executed no); accepted
// ones go on.
func (s *Server) Drain() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
}

// Close drains, cancels the contexts of all handlers and waits for them. When
// ctx ends first it returns ctx's error, and handlers that ignore their
// context are left running.
func (s *Server) Close(ctx context.Context) error {
	s.Drain()
	s.cancel()
	s.ledger.Close()
	done := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats are counters of a Server.
type Stats struct {
	Running    int          // handlers now
	Started    uint64       // handlers ever started
	Repeats    uint64       // repeats answered from memory or attached to a running call
	Overloaded uint64       // calls refused with RESOURCE_EXHAUSTED
	Cancelled  uint64       // CANCELs of calls that were received or ran
	Stalled    uint64       // large messages given up because they made no progress
	Assembly   int64        // bytes held by messages that arrive or arrived as chunks
	Streams    int64        // bytes held by what came of streams and was not read
	StreamPeak int64        // the most of it ever
	Ledger     ledger.Stats // the at-most-once memory
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	return Stats{
		Running:    running,
		Started:    s.counters.started.Load(),
		Repeats:    s.counters.repeats.Load(),
		Overloaded: s.counters.overloaded.Load(),
		Cancelled:  s.counters.cancelled.Load(),
		Stalled:    s.counters.stalled.Load(),
		Assembly:   s.assembly.Load(),
		Streams:    s.streams.Load(),
		StreamPeak: s.streamPeak.Load(),
		Ledger:     s.ledger.Stats(),
	}
}

// admission is whether a new call may run.
type admission uint8

const (
	admitted admission = iota
	peerFull
	nodeFull
	nodeDrains
)

// admit takes a place for a handler of a peer; leave gives it back.
func (s *Server) admit(peer ledger.Caller) admission {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return nodeDrains
	case s.running >= s.cfg.MaxPerNode:
		return nodeFull
	case s.peers[peer] >= s.cfg.MaxPerPeer:
		return peerFull
	}
	s.running++
	s.peers[peer]++
	s.handlers.Add(1)
	return admitted
}

func (s *Server) leave(peer ledger.Caller) {
	s.mu.Lock()
	s.running--
	if s.peers[peer]--; s.peers[peer] == 0 {
		delete(s.peers, peer)
	}
	s.mu.Unlock()
	s.handlers.Done()
}

// hold charges bytes to the budget of assemblies; false charges nothing.
func (s *Server) hold(bytes int64) bool {
	if s.assembly.Add(bytes) > s.cfg.AssemblyBytes {
		s.assembly.Add(-bytes)
		return false
	}
	return true
}

func (s *Server) release(bytes int64) { s.assembly.Add(-bytes) }
