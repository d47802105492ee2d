package relay

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// joining is a connection between the upgrade and JOINED.
type joining struct {
	cfg    Config
	conn   net.Conn
	tls    *tls.Conn // nil without TLS
	frames *FrameReader

	hello Hello
	self  Addr
	rtt   time.Duration // from JOIN to JOINED
}

// join runs the exchange: HELLO, JOIN, JOINED.
func (j *joining) join() (err error) {
	if j.hello, err = j.readHello(); err != nil {
		return err
	}
	room := j.cfg.Room(j.hello.Relay)
	if room == nil {
		return ErrNoRoom
	}
	proof, err := j.proof()
	if err != nil {
		return err
	}
	j.self = proof.Address
	sent := time.Now()
	if _, err := j.conn.Write(AppendJoin(nil, Join{
		Room: room.ID(), Address: proof.Address, Nonce: proof.Nonce, Host: proof.Host,
		Signature: room.SignJoin(proof),
	})); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	body, err := j.next(AwaitJoined)
	if err != nil {
		return err
	}
	signature, err := ParseJoined(body)
	if err != nil {
		return err
	}
	if !proof.VerifyJoined(room.ID(), signature) {
		return ErrProof
	}
	j.rtt = time.Since(sent)
	return nil
}

// readHello reads HELLO and checks that this is a relay to talk to.
func (j *joining) readHello() (Hello, error) {
	body, err := j.next(AwaitHello)
	if err != nil {
		return Hello{}, err
	}
	h, err := ParseHello(body)
	if err != nil {
		return Hello{}, err
	}
	if a := j.cfg.Address; a.Pinned && a.Pin != h.Relay { // ids are public
		return Hello{}, fmt.Errorf("%w: it is %v", ErrPin, h.Relay)
	}
	if h.MaxFrame < MaxFrame {
		return Hello{}, fmt.Errorf("%w: the relay takes frames of %d bytes only", ErrProtocol, h.MaxFrame)
	}
	return h, nil
}

// proof gathers what JOIN and JOINED sign.
func (j *joining) proof() (crypto.RoomProof, error) {
	p := crypto.RoomProof{
		RelayID: j.hello.Relay, Challenge: j.hello.Challenge,
		Address: newAddr(), Host: j.cfg.Address.Authority,
	}
	rand.Read(p.Nonce[:]) // never fails
	if j.tls == nil || j.hello.Proxied {
		// A relay that ends TLS itself checks its own exporter, so a false
		// flag only has it refuse.
		return p, nil
	}
	exporter, err := Exporter(j.tls.ConnectionState())
	p.Exporter = exporter
	return p, err
}

// next reads the one frame that is wanted here, or the relay's refusal.
func (j *joining) next(want FrameSet) ([]byte, error) {
	t, body, err := j.frames.Next(want)
	if err != nil {
		return nil, readError(err)
	}
	if t != FrameError {
		return body, nil
	}
	refused, err := ParseError(body)
	if err != nil {
		return nil, err
	}
	return nil, refused
}

// readError says what an error of a FrameReader means.
func readError(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrHungUp
	case errors.Is(err, ErrFrameType), errors.Is(err, ErrFrameLength):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return fmt.Errorf("relay: %w", err)
}
