package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
)

// carrier is what a link of package node runs over.
type carrier interface {
	Transport() crypto.Transport
	Path() []byte
	ReadRecord(limit int) ([]byte, error)
	WriteRecord(body []byte) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Close() error
	Remote() string
}

var _ carrier = (*relay.Channel)(nil)

// member is a client in Run at a hub.
type member struct {
	*relay.Client
	*events
}

func (h *hub) join(t testing.TB) member {
	t.Helper()
	e := newEvents()
	c, err := relay.Connect(context.Background(), h.config(e))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run() }()
	t.Cleanup(func() {
		c.Close(nil)
		<-ended
	})
	return member{c, e}
}

// sealed is a session between two nodes over a carrier: the handshake of
// section 2 and the tokens of section 4, without what is in them.
type sealed struct {
	carrier
	*crypto.Secrets
}

var offer = crypto.Offer{VersionMin: wire.Version, VersionMax: wire.Version, MaxPlain: wire.MaxPlain}

func initiate(c carrier, s *crypto.Schedule) (*sealed, error) {
	in, first, err := crypto.NewInitiator(s, c.Transport(), c.Path(), offer)
	if err != nil {
		return nil, err
	}
	if err := c.WriteRecord(first); err != nil {
		return nil, err
	}
	answer, err := c.ReadRecord(wire.HandshakeLen)
	if err != nil {
		return nil, err
	}
	secrets, err := in.Finish(answer)
	return &sealed{c, secrets}, err
}

func respond(c carrier, s *crypto.Schedule) (*sealed, error) {
	first, err := c.ReadRecord(wire.HandshakeLen)
	if err != nil {
		return nil, err
	}
	answer, secrets, _, err := crypto.Respond([]*crypto.Schedule{s}, c.Transport(), c.Path(), first, offer, crypto.NewReplaySet(16))
	if err != nil {
		return nil, err
	}
	return &sealed{c, secrets}, c.WriteRecord(answer)
}

// say and hear move one token.
func (s *sealed) say(text []byte) error {
	return s.WriteRecord(s.Send().Seal(nil, text, time.Now()))
}

func (s *sealed) hear() ([]byte, error) {
	token, err := s.ReadRecord(wire.MaxRecord)
	if err != nil {
		return nil, err
	}
	plain, _, err := s.Receive().Open(nil, token)
	return plain, err
}

// S4-26, the client's part: two members that know the network key have a session
// through a relay that does not.
func TestS4_26_SealedSessionThroughAForwarder(t *testing.T) {
	h := startHub(t, newStation(t))
	alice, bob := h.join(t), h.join(t)
	if got := <-alice.up; got != bob.Self() {
		t.Fatalf("alice is told of %v", got)
	}
	if err := bob.Cast([]byte("here is bob")); err != nil {
		t.Fatal(err)
	}
	if got := <-alice.casted; got != bob.Self().String()+" here is bob" {
		t.Fatalf("alice is told %q", got)
	}
	out, err := alice.Open(bob.Self())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- echo(<-bob.accepted, h.schedule) }()
	s, err := initiate(out, h.schedule)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		text := bytes.Repeat(fmt.Append(nil, n), 1+n*n/8)
		if err := s.say(text); err != nil {
			t.Fatal(err)
		}
		if got, err := s.hear(); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("message %d: %d bytes, %v", n, len(got), err)
		}
	}
	_ = out.Close()
	var gone *relay.GoneError
	if err := <-ended; !errors.As(err, &gone) || gone.Code != relay.GoneClosed {
		t.Errorf("bob's end: %v", err)
	}
}

// echo answers a session until it ends.
func echo(c carrier, schedule *crypto.Schedule) error {
	s, err := respond(c, schedule)
	if err != nil {
		_ = c.Close()
		return err
	}
	for {
		text, err := s.hear()
		if err == nil {
			err = s.say(text)
		}
		if err != nil {
			_ = c.Close()
			return err
		}
	}
}

// R15: a relay that says another origin, as it must to splice two sessions, has
// the handshake refused at the responder.
func TestR15_SwappedAddress(t *testing.T) {
	h := newHub(newStation(t))
	h.lie = func(relay.Addr) relay.Addr { return addr(99) }
	t.Cleanup(h.close)
	alice, bob := h.join(t), h.join(t)
	out, err := alice.Open(<-alice.up)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = initiate(out, h.schedule) }()
	_, err = respond(<-bob.accepted, h.schedule)
	var refused *crypto.HandshakeError
	if !errors.As(err, &refused) {
		t.Errorf("the handshake ends with %v", err)
	}
	_ = out.Close()
}

// S4-33: others learn at once of a member whose connection closes.
func TestS4_33_ClosedMemberIsDown(t *testing.T) {
	h := startHub(t, newStation(t))
	alice, bob := h.join(t), h.join(t)
	out, err := alice.Open(<-alice.up)
	if err != nil {
		t.Fatal(err)
	}
	bob.Close(nil)
	if got := <-alice.down; got != bob.Self() {
		t.Errorf("alice is told of %v", got)
	}
	wantEnd(t, out, relay.GoneAbsent, true)
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{256, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := localHub(b)
			alice, bob := h.join(b), h.join(b)
			out, err := alice.Open(<-alice.up)
			if err != nil {
				b.Fatal(err)
			}
			if err := out.WriteRecord(msg1(1)); err != nil {
				b.Fatal(err)
			}
			in := <-bob.accepted
			go func() {
				for {
					r, err := in.ReadRecord(wire.MaxRecord)
					if err != nil || in.WriteRecord(r) != nil {
						return
					}
				}
			}()
			_, _ = out.ReadRecord(112)
			record := make([]byte, size)
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				if err := out.WriteRecord(record); err != nil {
					b.Fatal(err)
				}
				if _, err := out.ReadRecord(wire.MaxRecord); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
