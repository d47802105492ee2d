package relayserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// ErrClosed is returned by Serve after Close or Drain.
var ErrClosed = errors.New("relayserver: server is closed")

// Server is a relay. Its methods are safe for concurrent use. It owns the
// listeners and connections that it serves, and the goroutines of both.
type Server struct {
	cfg     Config
	id      relay.ID
	hosts   hostSet
	door    *door
	gate    gate
	count   counters
	stopped chan struct{}  // closed by Close
	work    sync.WaitGroup // connections

	mu        sync.Mutex
	rooms     map[[32]byte]*room
	conns     map[net.Conn]struct{}
	listeners map[net.Listener]struct{}
	draining  bool
	closed    bool
	empty     bool          // whether emptied is closed
	emptied   chan struct{} // closed when a draining server has no member
}

// New returns a relay that serves nobody yet. The errors are about the Config.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, id: relay.ID(cfg.Identity.Public()), hosts: makeHostSet(cfg.PublicHosts),
		door: newDoor(cfg.Limits, !cfg.BehindProxy), gate: gate{limit: int64(cfg.Limits.Memory)},
		stopped: make(chan struct{}), emptied: make(chan struct{}), rooms: map[[32]byte]*room{},
		conns: map[net.Conn]struct{}{}, listeners: map[net.Listener]struct{}{},
	}, nil
}

// ID returns the relay's id, the pin of its address.
func (s *Server) ID() relay.ID { return s.id }

// Serve accepts connections until the listener fails for good or the server is
// closed or drained, which is ErrClosed. It closes the listener. Several may be
// served at a time. Connections of a listener made by tls.NewListener are bound
// to their TLS; its config must have TLS 1.3 as the least version.
//
// A listener's own TLS costs more than that of [Server.ServeTLS], which seals
// many records for one write.
func (s *Server) Serve(l net.Listener) error {
	return s.accept(l, func(conn net.Conn) net.Conn { return conn })
}

// ServeTLS is Serve for a listener whose connections are to speak TLS, by a
// config that has a certificate and TLS 1.3 as the least version.
func (s *Server) ServeTLS(l net.Listener, cfg *tls.Config) error {
	cfg = cfg.Clone()
	cfg.DynamicRecordSizingDisabled = true // what is written together is to arrive together
	return s.accept(l, func(conn net.Conn) net.Conn { return tls.Server(outlet.New(conn), cfg) })
}

// accept is Serve, for connections that are wrapped first.
func (s *Server) accept(l net.Listener, wrap func(net.Conn) net.Conn) error {
	if !s.addListener(l) {
		_ = l.Close()
		return ErrClosed
	}
	defer s.removeListener(l)
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(wrap(conn))
			continue
		}
		if s.stopping() {
			return ErrClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if pause == 0 {
			s.cfg.Logger.Warn("cannot accept connections; will try again", "error", acceptCause(err))
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		if !s.sleep(pause) {
			return ErrClosed
		}
	}
}

// acceptCause is the error of an accept without the addresses that it may name.
func acceptCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// sleep reports false when the server was closed meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stopped:
		return false
	}
}

// start serves a connection on a goroutine of its own, or turns it away.
func (s *Server) start(conn net.Conn) {
	v := s.door.enter(conn)
	if v == nil {
		s.count.turned.Add(1)
		_ = conn.Close()
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		v.leave()
		_ = conn.Close()
		return
	}
	s.conns[conn] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	go s.serve(conn, v)
}

// serve takes a connection in. A member is served on a goroutine of its own, whose
// stack has not grown with the handshakes.
func (s *Server) serve(conn net.Conn, v *visit) {
	m := s.welcome(conn, v)
	if m == nil {
		s.dismiss(conn, v)
		return
	}
	v.joined()
	m.flush() // JOINED
	go func() {
		m.serve()
		s.dismiss(conn, v)
	}()
}

// dismiss ends what start has begun.
func (s *Server) dismiss(conn net.Conn, v *visit) {
	defer s.work.Done()
	hangUp(conn)
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	v.leave()
}

// Drain ends the server gently: it lets nobody join any more, asks the clients to
// move to another relay, and closes when the last has left or ctx has ended.
func (s *Server) Drain(ctx context.Context) {
	select {
	case <-s.beginDrain():
	case <-ctx.Done():
	case <-s.stopped:
	}
	s.Close()
}

// beginDrain tells all members, and returns what is closed when none is left.
func (s *Server) beginDrain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.draining = true
		drain := relay.AppendDrain(nil, s.cfg.Timers.Return)
		for _, r := range s.rooms {
			r.drain(drain)
		}
		s.checkEmptied()
	}
	return s.emptied
}

// drain sends DRAIN to all members.
func (r *room) drain(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		m.out.frame(frame)
	}
	r.announce()
}

// checkEmptied tells Drain of the last member's leaving. The caller holds mu.
func (s *Server) checkEmptied() {
	if s.draining && !s.empty && len(s.rooms) == 0 {
		s.empty = true
		close(s.emptied)
	}
}

// Close ends all connections at once and waits for their goroutines. It may be
// called again.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed, s.draining = true, true
		close(s.stopped)
	}
	for l := range s.listeners {
		_ = l.Close()
	}
	for conn := range s.conns {
		hangUp(conn)
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Healthy reports whether the relay takes clients: it serves a listener and is
// neither draining nor closed.
func (s *Server) Healthy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) > 0 && !s.draining
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
}

// hangUp closes a connection at once. TLS would first say goodbye to a client
// that may not read.
func hangUp(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close()
}
