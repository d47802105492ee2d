package link_test

import (
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// rawPeer holds the network key and speaks the protocol by hand, so that it can
// say what a link never would.
type rawPeer struct {
	t       testing.TB
	carrier link.Carrier
	secrets *crypto.Secrets
	send    *crypto.SendCipher
	recv    *crypto.ReceiveCipher
	sent    uint64 // frames
	got     uint64 // frames
}

var rawOffer = crypto.Offer{VersionMin: 1, VersionMax: 1, MaxPlain: wire.MaxPlain}

// rawDial makes the initiator's handshake, up to and including the responder's
// HELLO.
func rawDial(t testing.TB, c link.Carrier, key *crypto.Schedule) *rawPeer {
	t.Helper()
	return rawDialOffering(t, c, key, rawOffer)
}

// rawDialOffering is rawDial with an offer.
func rawDialOffering(t testing.TB, c link.Carrier, key *crypto.Schedule, offer crypto.Offer) *rawPeer {
	t.Helper()
	initiator, msg1, err := crypto.NewInitiator(key, c.Transport(), c.Path(), offer)
	must(t, err)
	must(t, c.WriteRecord(msg1))
	msg2, err := c.ReadRecord(wire.HandshakeLen)
	must(t, err)
	secrets, err := initiator.Finish(msg2)
	must(t, err)
	p := newRawPeer(t, c, secrets)
	p.frame()
	return p
}

// rawAccept makes the responder's handshake, without its HELLO.
func rawAccept(t testing.TB, c link.Carrier, key *crypto.Schedule) *rawPeer {
	t.Helper()
	msg1, err := c.ReadRecord(wire.HandshakeLen)
	must(t, err)
	msg2, secrets, _, err := crypto.Respond([]*crypto.Schedule{key}, c.Transport(), c.Path(),
		append([]byte(nil), msg1...), rawOffer, crypto.NewReplaySet(1))
	must(t, err)
	must(t, c.WriteRecord(msg2))
	return newRawPeer(t, c, secrets)
}

func newRawPeer(t testing.TB, c link.Carrier, s *crypto.Secrets) *rawPeer {
	return &rawPeer{t: t, carrier: c, secrets: s, send: s.Send(), recv: s.Receive()}
}

// hello returns a good HELLO, to be made bad.
func (p *rawPeer) hello() crypto.Hello {
	h := crypto.Hello{
		Role: crypto.RoleResponder, Instance: crypto.NewInstanceID(), Name: "raw", Capabilities: []byte{0x80},
	}
	if p.secrets.Initiator {
		h.Role = crypto.RoleInitiator
	}
	return h
}

// sendHello sends h as the frame of sequence 0.
func (p *rawPeer) sendHello(h crypto.Hello, id *crypto.Identity) {
	p.t.Helper()
	p.sendMessages(wire.AppendMessage(nil, wire.TypeHello, crypto.AppendHello(nil, h, p.secrets.Hash, id)))
}

// sendMessages sends the encoded messages as the next frame.
func (p *rawPeer) sendMessages(messages []byte) {
	p.t.Helper()
	p.sendPlain(append(wire.BeginFrame(nil, p.sent), messages...))
}

// sendPlain sends any plaintext as a frame.
func (p *rawPeer) sendPlain(plain []byte) {
	p.t.Helper()
	must(p.t, p.carrier.WriteRecord(p.send.Seal(nil, plain, time.Now())))
	p.sent++
}

// frame reads the next frame.
func (p *rawPeer) frame() []wire.Message {
	p.t.Helper()
	token, err := p.carrier.ReadRecord(wire.MaxRecord)
	must(p.t, err)
	return p.open(token)
}

// open opens the token of the next frame.
func (p *rawPeer) open(token []byte) (got []wire.Message) {
	p.t.Helper()
	plain, _, err := p.recv.Open(nil, token)
	must(p.t, err)
	frame, err := wire.ParseFrame(plain, p.got)
	must(p.t, err)
	p.got++
	for m := range frame.All() {
		got = append(got, m)
	}
	return got
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
