package link

import (
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// maxCapabilities leaves space in a message for the rest of HELLO.
const maxCapabilities = wire.MaxMessage - 512

// maxHello is the longest record of a HELLO.
var maxHello = crypto.SealedLen(wire.FrameHeader + wire.MessageOverhead + wire.MaxMessage)

// What is wrong with a HELLO beyond its form and signature.
var (
	errRole     = errors.New("HELLO has one's own role")
	errSelf     = errors.New("HELLO is from this very instance")
	errNameless = errors.New("HELLO has no name, and is not an observer's")
	errNamed    = errors.New("HELLO is an observer's, and has a name")
)

// prepare makes one's own part of HELLO, and finds in it what would make every
// handshake fail at the other end.
func (h *handshake) prepare(target string) error {
	h.caps = []byte{0x80} // an empty map
	if h.cfg.Capabilities != nil {
		h.caps = h.cfg.Capabilities()
	}
	caps, err := decodeCapabilities(h.caps)
	if err == nil {
		err = checkName(h.cfg.Name, caps)
	}
	if err == nil && target != "" {
		err = wire.CheckName("target", target)
	}
	if err == nil && len(h.caps) > maxCapabilities {
		err = errors.New("capabilities take too much space in HELLO")
	}
	if err != nil {
		return &Error{CauseConfig, err}
	}
	return nil
}

// checkName checks a node's name. An observer claims none.
func checkName(name string, caps Capabilities) error {
	switch {
	case caps.Observer && name != "":
		return errNamed
	case caps.Observer:
		return nil
	case name == "":
		return errNameless
	}
	return wire.CheckName("name", name)
}

// sendHello writes one's own HELLO, the frame of sequence 0.
func (h *handshake) sendHello(l *Link, s *crypto.Secrets, target string) error {
	role := uint8(crypto.RoleResponder)
	if s.Initiator {
		role = crypto.RoleInitiator
	}
	body := crypto.AppendHello(nil, crypto.Hello{
		Role: role, Instance: h.cfg.Instance, Name: h.cfg.Name, Target: target,
		Features: h.cfg.Features, Capabilities: h.caps,
	}, s.Hash, h.cfg.Identity)
	token := l.out.seal(wire.AppendMessage(make([]byte, headroom), wire.TypeHello, body), time.Now())[recordRoom:]
	if err := h.WriteRecord(token); err != nil {
		return &Error{writeCause(err), err}
	}
	l.bytesOut.Add(uint64(len(token)))
	return nil
}

// readHello reads the peer's HELLO and checks it in the protocol's order, up to
// its signature. Names as targets and policy are for the caller.
func (h *handshake) readHello(l *Link, s *crypto.Secrets, key *crypto.Schedule) error {
	token, err := h.ReadRecord(maxHello)
	if err != nil {
		return &Error{openingCause(err), err}
	}
	l.bytesIn.Add(uint64(len(token)))
	frame, err := l.in.open(token)
	if err != nil {
		return err
	}
	for m := range frame.All() { // ParseFrame lets only HELLO be here, alone
		hello, err := crypto.ParseHello(m.Body, s.Hash)
		if err != nil {
			return &Error{helloCause(err), err}
		}
		caps, err := h.checkHello(hello, s.Initiator)
		if err != nil {
			return err
		}
		hello.Capabilities = append([]byte(nil), hello.Capabilities...)
		l.peer = Peer{
			Hello: hello, Capabilities: caps, Transport: h.Transport(),
			Remote: h.Remote(), KeyID: key.KeyID(), Initiator: !s.Initiator,
		}
	}
	return nil
}

// checkHello checks whose HELLO it is.
func (h *handshake) checkHello(hello crypto.Hello, initiator bool) (Capabilities, error) {
	want := uint8(crypto.RoleInitiator)
	if initiator {
		want = crypto.RoleResponder
	}
	switch {
	case hello.Role != want:
		return Capabilities{}, &Error{CauseRole, errRole}
	case hello.Instance == h.cfg.Instance:
		return Capabilities{}, &Error{CauseSelf, errSelf}
	}
	caps, err := decodeCapabilities(hello.Capabilities)
	if err == nil {
		err = checkName(hello.Name, caps)
	}
	if err != nil {
		return Capabilities{}, &Error{CauseHelloForm, err}
	}
	return caps, nil
}
