package rpc

import (
	"context"
	"sync/atomic"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// Server runs the commands that peers call, over all links of a node. It owns
// the goroutines of the handlers, which outlive their link by the grace of the
// ledger; Close ends them.
type Server struct {
	cfg    ServerConfig
	ledger *ledger.Ledger
	base   context.Context // parent of all handlers'
	cancel context.CancelFunc

	gate     *gate
	overseer *overseer

	assembly atomic.Int64 // bytes of messages that arrive as chunks
	counters counters

	streams    atomic.Int64 // bytes held by what came of streams and was not read
	streamPeak atomic.Int64 // the most of it ever
}

type counters struct {
	started, repeats, overloaded, cancelled, stalled atomic.Uint64
	queued, expired, slowed, paced                   atomic.Uint64
	full                                             [linkParts]atomic.Uint64 // refused, by admission
	requests, strays                                 atomic.Uint64
	results                                          [commands.Unauthenticated + 1]atomic.Uint64 // answers, by code; 0 is a value
}

// NewServer makes a Server. Its caller ends it with Close.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg.withDefaults()}
	s.gate = newGate(s.cfg.gateLimits(), s.begin)
	s.overseer = newOverseer(s.cfg.InlineBudget, s.cfg.OnDemote)
	s.ledger = ledger.New(cfg.Ledger)
	s.base, s.cancel = context.WithCancel(context.Background())
	if s.cfg.Context != nil {
		s.base = s.cfg.Context(s.base)
	}
	return s
}

// Drain refuses new calls on every link (UNAVAILABLE, executed no); accepted
// ones go on.
func (s *Server) Drain() { s.gate.close() }

// Close drains, drops the calls that wait for a place, cancels the contexts of
// all handlers and waits for them. When
// ctx ends first it returns ctx's error, and handlers that ignore their
// context are left running.
func (s *Server) Close(ctx context.Context) error {
	s.Drain()
	s.cancel()
	s.ledger.Close()
	done := make(chan struct{})
	go func() {
		s.gate.open.Wait()
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
	Running       int    // handlers now
	Waiting       int    // accepted calls that wait for a place now
	ArgumentBytes int64  // of the calls that run or wait
	Started       uint64 // handlers ever started
	Inlined       uint64 // of these, those that began on the reader of their link
	Demoted       uint64 // times that a command was slow there
	Queued        uint64 // calls that had to wait for a place
	Expired       uint64 // calls that ended while they waited: unstarted
	Repeats       uint64 // repeats answered from memory or attached to a running call
	Overloaded    uint64 // calls refused with RESOURCE_EXHAUSTED, for whatever limit
	// Of these, by the limit: calls of one peer, calls of all, and the bytes
	// of their arguments.
	PeerFull, NodeFull, PeerHeavy, NodeHeavy uint64

	Requests uint64 // calls received, repeats and refused ones included
	Strays   uint64 // answers received for no call
	// Results counts the answers sent, by code; that of code 0 counts values.
	Results [commands.Unauthenticated + 1]uint64

	Paced      uint64       // times that a link was not read for a moment, since it crowded out others
	Slowed     uint64       // times that a link was not read for a moment, since its calls were refused
	Cancelled  uint64       // CANCELs of calls that were received or ran
	Stalled    uint64       // large messages given up because they made no progress
	Assembly   int64        // bytes held by messages that arrive or arrived as chunks
	Streams    int64        // bytes held by what came of streams and was not read
	StreamPeak int64        // the most of it ever
	Ledger     ledger.Stats // the at-most-once memory
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	k := &s.counters
	out := Stats{
		Started: k.started.Load(), Inlined: s.overseer.count.begun.Load(), Demoted: s.overseer.count.demoted.Load(), Queued: k.queued.Load(), Expired: k.expired.Load(),
		Repeats: k.repeats.Load(), Overloaded: k.overloaded.Load(),
		PeerFull: k.full[peerFull].Load(), NodeFull: k.full[nodeFull].Load(),
		PeerHeavy: k.full[peerHeavy].Load(), NodeHeavy: k.full[nodeHeavy].Load(),
		Paced: k.paced.Load(), Slowed: k.slowed.Load(), Cancelled: k.cancelled.Load(), Stalled: k.stalled.Load(),
		Assembly: s.assembly.Load(), Streams: s.streams.Load(), StreamPeak: s.streamPeak.Load(), Ledger: s.ledger.Stats(),
	}
	out.Requests, out.Strays = k.requests.Load(), k.strays.Load()
	for code := range k.results {
		out.Results[code] = k.results[code].Load()
	}
	g := s.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	out.Running, out.Waiting, out.ArgumentBytes = g.running, g.waiting, g.bytes+g.held
	return out
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
