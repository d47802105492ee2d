package relayserver

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// What refused clients are told to wait.
const (
	retryFull = 30 * time.Second
	retryRate = 2 * time.Second
)

// welcome takes a connection up to JOINED. It returns nil if the client did not
// get that far, for whatever reason.
func (s *Server) welcome(conn net.Conn, v *visit) *member {
	now := time.Now()
	deadline := now.Add(s.cfg.Timers.Join)
	_ = conn.SetWriteDeadline(deadline) // an error shows in what follows
	_ = conn.SetReadDeadline(now.Add(min(s.cfg.Timers.Header, s.cfg.Timers.Join)))
	exporter, err := s.exporter(conn)
	if err != nil {
		return nil
	}
	early, err := upgrade(conn)
	if err != nil {
		if _, ok := err.(*httpError); ok {
			s.count.badHTTP.Add(1)
		}
		return nil
	}
	_ = conn.SetReadDeadline(deadline)
	if !v.join() {
		s.refuse(conn, &relay.RefusedError{Code: relay.RefusedRate, RetryAfter: retryRate, Text: "too many joins from this address"})
		return nil
	}
	in := &input{conn: conn, direct: newDirect(conn)}
	if len(early) > 0 {
		in.early = early // and otherwise not the buffer that it would be part of
	}
	m, refused := s.admit(conn, relay.NewFrameReader(in, relay.ReadBuffer), exporter)
	if refused != nil {
		s.refuse(conn, refused)
		return nil
	}
	in.silence = s.cfg.Timers.silence()
	return m
}

// exporter completes TLS, if the connection is TLS, and returns what proofs are
// bound to. HELLO's bit has no part in it.
func (s *Server) exporter(conn net.Conn) ([32]byte, error) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return [32]byte{}, nil
	}
	if err := t.HandshakeContext(context.Background()); err != nil { // the deadlines bound it
		return [32]byte{}, err
	}
	return relay.Exporter(t.ConnectionState())
}

// admit exchanges the proofs. Both results are nil when the client has gone or
// said something else than JOIN.
func (s *Server) admit(conn net.Conn, in *relay.FrameReader, exporter [32]byte) (*member, *relay.RefusedError) {
	if refused := s.fullHouse(); refused != nil {
		return nil, refused
	}
	_, secure := conn.(*tls.Conn)
	hello := relay.Hello{Relay: s.id, MaxFrame: relay.MaxFrame, Ping: s.cfg.Timers.Ping, Proxied: s.cfg.BehindProxy && !secure}
	rand.Read(hello.Challenge[:]) // never fails: crypto/rand ends the process rather than return an error
	if _, err := conn.Write(relay.AppendHello(nil, hello)); err != nil {
		return nil, nil
	}
	_, body, err := in.Next(relay.AwaitJoin)
	if err != nil {
		return nil, nil
	}
	j, err := relay.ParseJoin(body)
	if err != nil {
		s.count.malformed.Add(1)
		return nil, nil
	}
	proof := crypto.RoomProof{
		RelayID: s.id, Challenge: hello.Challenge, Nonce: j.Nonce, Address: j.Address, Host: j.Host, Exporter: exporter,
	}
	if refused := s.judge(proof, j); refused != nil {
		return nil, refused
	}
	m := &member{server: s, conn: conn, in: in, addr: j.Address, outlet: outlet.Of(conn)}
	m.out.limit, m.out.stop, m.out.gate = s.cfg.Limits.Queue, s.cfg.Timers.Stop, &s.gate
	if refused := s.join(m, j.Room, relay.AppendJoined(nil, proof.SignJoined(s.cfg.Identity, j.Room))); refused != nil {
		return nil, refused
	}
	return m, nil
}

// judge checks a JOIN.
func (s *Server) judge(p crypto.RoomProof, j relay.Join) *relay.RefusedError {
	if !s.hosts.has(j.Host) {
		return &relay.RefusedError{Code: relay.RefusedHost, Text: "this relay does not go by the dialled name"}
	}
	if isSmallOrder(j.Room) || !p.VerifyJoin(j.Room, j.Signature) {
		return &relay.RefusedError{Code: relay.RefusedProof, Text: "the proof does not fit"}
	}
	return nil
}

// fullHouse says why nobody may join at all.
func (s *Server) fullHouse() *relay.RefusedError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return s.drainingError()
	}
	return nil
}

func (s *Server) drainingError() *relay.RefusedError {
	return &relay.RefusedError{Code: relay.RefusedDraining, RetryAfter: s.cfg.Timers.Return, Text: "this relay is about to stop"}
}

// refuse says why and leaves the connection to its closing.
func (s *Server) refuse(conn net.Conn, e *relay.RefusedError) {
	s.count.refused.Add(1)
	_, _ = conn.Write(relay.AppendError(nil, e)) // the connection ends anyway
}
