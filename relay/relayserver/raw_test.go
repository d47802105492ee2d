package relayserver_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// raw is a client in pieces, which may do each of them wrongly.
type raw struct {
	t      testing.TB
	conn   net.Conn
	frames *relay.FrameReader
	hello  relay.Hello
	self   relay.Addr
	room   *crypto.Room
	proof  crypto.RoomProof
	join   relay.Join
	evil   func(k *raw) // changes proof and join before they are signed and sent
	forge  func(k *raw) // changes join after it was signed
}

const request = "GET /fernmesh/1 HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: fernmesh-relay/1\r\n\r\n"

// dialRaw connects, and says nothing yet.
func (s *site) dialRaw() *raw {
	s.t.Helper()
	conn, err := s.host.Dial(context.Background(), s.authority)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return &raw{t: s.t, conn: conn}
}

// upgrade asks for the protocol and reads HELLO.
func (k *raw) upgrade() error {
	if _, err := io.WriteString(k.conn, request); err != nil {
		return err
	}
	b := bufio.NewReader(k.conn)
	answer, err := http.ReadResponse(b, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	k.frames = relay.NewFrameReader(b, 4096)
	t, body, err := k.frames.Next(relay.AwaitHello)
	if err != nil {
		return err
	}
	if t == relay.FrameError {
		return refusal(body)
	}
	k.hello, err = relay.ParseHello(body)
	return err
}

func refusal(body []byte) error {
	e, err := relay.ParseError(body)
	if err != nil {
		return err
	}
	return e
}

// enter sends JOIN and awaits JOINED, whose signature it checks.
func (k *raw) enter(n *crypto.Schedule, host string) error {
	k.room = n.Room(k.hello.Relay)
	k.proof = crypto.RoomProof{RelayID: k.hello.Relay, Challenge: k.hello.Challenge, Host: host}
	rand.Read(k.proof.Nonce[:])
	rand.Read(k.proof.Address[:])
	if t, ok := k.conn.(*tls.Conn); ok {
		e, err := relay.Exporter(t.ConnectionState())
		if err != nil {
			return err
		}
		k.proof.Exporter = e
	}
	if k.evil != nil {
		k.evil(k)
	}
	k.join = relay.Join{Room: k.room.ID(), Address: k.proof.Address, Nonce: k.proof.Nonce, Host: k.proof.Host, Signature: k.room.SignJoin(k.proof)}
	if k.forge != nil {
		k.forge(k)
	}
	k.self = k.join.Address
	k.send(relay.AppendJoin(nil, k.join))
	t, body, err := k.frames.Next(relay.AwaitJoined)
	if err != nil {
		return err
	}
	if t == relay.FrameError {
		return refusal(body)
	}
	sig, err := relay.ParseJoined(body)
	if err == nil && !k.proof.VerifyJoined(k.join.Room, sig) {
		return errors.New("the relay's proof does not fit")
	}
	return err
}

// rawMember is a client that has joined.
func (s *site) rawMember(n *crypto.Schedule) *raw {
	s.t.Helper()
	k := s.dialRaw()
	if err := errors.Join(k.upgrade()); err != nil {
		s.t.Fatal(err)
	}
	if err := k.enter(n, s.authority); err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (k *raw) send(frames []byte) {
	_, _ = k.conn.Write(frames) // a test sees by the answers whether it arrived
}

// next returns the next frame as text, or how the connection ended.
func (k *raw) next() string {
	_ = k.conn.SetReadDeadline(time.Now().Add(time.Minute))
	t, body, err := k.frames.Next(relay.ToClient)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return "end"
	case err != nil:
		return "end: " + err.Error()
	}
	switch t {
	case relay.FrameRecv:
		r, _ := relay.ParseRecord(body)
		return fmt.Sprintf("RECV %v %v %d", r.Peer, r.Session, len(r.Body))
	case relay.FrameGone:
		g, _ := relay.ParseGone(body)
		return fmt.Sprintf("GONE %v %v %d", g.Peer, g.Session, g.Code)
	case relay.FrameCasted:
		from, token, _ := relay.ParseCasted(body)
		return fmt.Sprintf("CASTED %v %s", from, token)
	}
	return fmt.Sprintf("%v %x", t, body)
}

// want checks the next frames.
func (k *raw) want(frames ...string) {
	k.t.Helper()
	for _, w := range frames {
		if got := k.next(); got != w {
			k.t.Fatalf("got %.120q, want %.120q", got, w)
		}
	}
}

func (k *raw) record(to relay.Addr, id byte, size int) {
	k.send(relay.AppendSend(nil, relay.Record{Peer: to, Session: relay.SessionID{id}, Body: make([]byte, size)}))
}

func up(a relay.Addr) string   { return "UP " + a.String() }
func down(a relay.Addr) string { return "DOWN " + a.String() }
func recv(a relay.Addr, id byte, size int) string {
	return fmt.Sprintf("RECV %v %v %d", a, relay.SessionID{id}, size)
}
func gone(a relay.Addr, id byte, code relay.GoneCode) string {
	return fmt.Sprintf("GONE %v %v %d", a, relay.SessionID{id}, code)
}

// wantRefused checks that err is the relay's refusal with a code.
func wantRefused(t testing.TB, err error, code relay.ErrorCode) {
	t.Helper()
	var refused *relay.RefusedError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("got %v, want the refusal: %v", err, code)
	}
}

// meet waits until so many members are up.
func (k *raw) meet(others int) error {
	for others > 0 {
		t, _, err := k.frames.Next(relay.ToClient)
		if err != nil {
			return err
		}
		if t == relay.FrameUp {
			others--
		}
	}
	return nil
}
