package relay_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// certify gives a station TLS and returns what its clients trust.
func certify(t testing.TB, s *station, host string) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots}
}

func TestJoin(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.Address.Pin, cfg.Address.Pinned = s.id(), true
	c, k, _ := joined(t, s, cfg)
	if c.RelayID() != s.id() || c.Self() != k.self || c.Secure() || c.RTT() <= 0 {
		t.Errorf("relay %v, self %v, secure %v, RTT %v", c.RelayID(), c.Self(), c.Secure(), c.RTT())
	}
	if k.room != s.schedule.Room(s.id()).ID() {
		t.Error("another room")
	}
}

// With TLS the proofs are bound to the connection: the station here computes
// the proof with its own exporter, and greets only if the signature fits that.
func TestR22_JoinIsBoundToTLS(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		s := newStation(t)
		s.hello.Proxied = proxied
		cfg := s.config(newEvents())
		cfg.TLSConfig = certify(t, s, "relay")
		cfg.Address.TLS = true
		c, _, _ := joined(t, s, cfg)
		if !c.Secure() {
			t.Error("the client does not know of TLS")
		}
	}
}

// A relay that ends TLS itself checks its own exporter whatever HELLO says, so
// that one who sits between cannot have the binding left out.
func TestR22_ProxiedBitDoesNotDowngrade(t *testing.T) {
	s := newStation(t)
	s.hello.Proxied = true // as a man in the middle would set it
	cfg := s.config(newEvents())
	cfg.TLSConfig = certify(t, s, "relay")
	cfg.Address.TLS = true
	_ = exchange(t, s, cfg, func(k *seat) {
		p, j, err := s.greet(k)
		if err != nil {
			t.Error(err)
			return
		}
		p.Exporter = k.exporter
		if p.VerifyJoin(j.Room, j.Signature) {
			t.Error("JOIN fits the exporter although HELLO said that there is none")
		}
	})
}

func TestTLSOlderThan13IsRefused(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.TLSConfig = certify(t, s, "relay")
	cfg.TLSConfig.MinVersion = tls.VersionTLS12 // forced up
	cfg.Address.TLS = true
	s.tls.MaxVersion = tls.VersionTLS12
	err := exchange(t, s, cfg, func(*seat) { t.Error("the handshake passed") })
	if err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("error is %v", err)
	}
	if _, err := relay.Exporter(tls.ConnectionState{Version: tls.VersionTLS12}); !errors.Is(err, relay.ErrTLSVersion) {
		t.Errorf("Exporter of TLS 1.2: %v", err)
	}
}

func TestCertificateOfAnotherHostIsRefused(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.TLSConfig = certify(t, s, "other.example")
	cfg.Address.TLS = true
	var wrong x509.HostnameError
	if err := exchange(t, s, cfg, func(*seat) {}); !errors.As(err, &wrong) {
		t.Errorf("error is %v", err)
	}
}

func TestTLSToAPlainRelay(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.Address.TLS = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		(&seat{conn: conn}).until()
		_ = conn.Close()
	}()
	if _, err := relay.Connect(context.Background(), cfg); !errors.Is(err, relay.ErrNotTLS) {
		t.Errorf("error is %v", err)
	}
	<-done
}

func TestPinOfAnotherRelay(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.Address.Pin, cfg.Address.Pinned = relay.ID{1}, true
	cfg.Room = func(relay.ID) *crypto.Room {
		t.Error("a room key was made for a relay that is not the pinned one")
		return nil
	}
	err := exchange(t, s, cfg, func(k *seat) { _, _, _ = s.greet(k) })
	if !errors.Is(err, relay.ErrPin) || !strings.Contains(err.Error(), s.id().String()) {
		t.Errorf("error is %v", err)
	}
}

// A relay cannot claim an id without its key, nor answer for another exchange.
func TestR22_WrongJoinedIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(s *station, p *crypto.RoomProof, room *[32]byte){
		"another key":       func(s *station, _ *crypto.RoomProof, _ *[32]byte) { s.identity = crypto.NewIdentity() },
		"another challenge": func(_ *station, p *crypto.RoomProof, _ *[32]byte) { p.Challenge[0]++ },
		"another nonce":     func(_ *station, p *crypto.RoomProof, _ *[32]byte) { p.Nonce[0]++ },
		"another address":   func(_ *station, p *crypto.RoomProof, _ *[32]byte) { p.Address[0]++ },
		"another host":      func(_ *station, p *crypto.RoomProof, _ *[32]byte) { p.Host = "evil:3376" },
		"an exporter":       func(_ *station, p *crypto.RoomProof, _ *[32]byte) { p.Exporter[0]++ },
		"another room":      func(_ *station, _ *crypto.RoomProof, room *[32]byte) { room[0]++ },
	} {
		s := newStation(t)
		err := exchange(t, s, s.config(newEvents()), func(k *seat) {
			p, j, err := s.greet(k)
			if err != nil {
				t.Error(err)
				return
			}
			spoil(s, &p, &j.Room)
			_ = k.send(relay.AppendJoined(nil, p.SignJoined(s.identity, j.Room)))
		})
		if !errors.Is(err, relay.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A fake relay shows a real one's HELLO and passes the JOIN on: it does not fit
// there, since the client signed the host that it dialled.
func TestR22_JoinThroughAFakeRelay(t *testing.T) {
	s := newStation(t)
	var fits bool
	err := exchange(t, s, s.config(newEvents()), func(k *seat) {
		p, j, err := s.greet(k) // the challenge is the real relay's
		if err != nil {
			t.Error(err)
			return
		}
		if j.Host != "relay:3376" {
			t.Errorf("JOIN names the host %q", j.Host)
		}
		p.Host = "real.example:3376" // all that the real relay goes by
		fits = p.VerifyJoin(j.Room, j.Signature)
		_ = k.send(relay.AppendError(nil, &relay.RefusedError{Code: relay.RefusedProof, Text: "no"}))
	})
	var refused *relay.RefusedError
	if fits || !errors.As(err, &refused) || refused.Code != relay.RefusedProof {
		t.Errorf("fits: %v, error %v", fits, err)
	}
}

// The same with TLS on both sides and a name that the real relay goes by: the
// two connections have different exporters.
func TestR22_JoinThroughAFakeRelayWithTLS(t *testing.T) {
	s := newStation(t)
	cfg := s.config(newEvents())
	cfg.TLSConfig = certify(t, s, "relay")
	cfg.Address.TLS = true
	_ = exchange(t, s, cfg, func(k *seat) {
		p, j, err := s.greet(k)
		if err != nil {
			t.Error(err)
			return
		}
		rand.Read(p.Exporter[:]) // of the fake relay's connection to the real one
		if p.VerifyJoin(j.Room, j.Signature) {
			t.Error("the JOIN fits another TLS connection")
		}
	})
}

func TestRefusalsAtTheDoor(t *testing.T) {
	want := relay.RefusedError{Code: relay.RefusedDraining, RetryAfter: 5 * time.Second, Text: "back soon"}
	for _, early := range []bool{false, true} {
		s := newStation(t)
		err := exchange(t, s, s.config(newEvents()), func(k *seat) {
			if early {
				_ = k.send([]byte(switching))
			} else if _, _, err := s.greet(k); err != nil {
				t.Error(err)
			}
			_ = k.send(relay.AppendError(nil, &want))
		})
		var refused *relay.RefusedError
		if !errors.As(err, &refused) || *refused != want {
			t.Errorf("early %v: %v", early, err)
		}
	}
}

func TestHelloOfARelayWithSmallFrames(t *testing.T) {
	s := newStation(t)
	s.hello.MaxFrame = relay.MaxFrame - 1
	err := exchange(t, s, s.config(newEvents()), func(k *seat) { _, _, _ = s.greet(k) })
	if !errors.Is(err, relay.ErrProtocol) {
		t.Errorf("error is %v", err)
	}
}

func TestOtherFramesInPlaceOfTheGreeting(t *testing.T) {
	for name, frames := range map[string][]byte{
		"UP":          relay.AppendUp(nil, a1),
		"JOINED":      relay.AppendJoined(nil, [64]byte{}),
		"an own JOIN": relay.AppendJoin(nil, relay.Join{Host: "x"}),
		"a bomb":      {1, 0xff, 0xff, 0xff, 0xff},
	} {
		s := newStation(t)
		err := exchange(t, s, s.config(newEvents()), func(k *seat) {
			_ = k.send(append([]byte(switching), frames...))
		})
		if !errors.Is(err, relay.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// S4-26's client side: no relay holds a Connect longer than its timer, wherever
// it stops.
func TestConnectHasOneAbsoluteDeadline(t *testing.T) {
	for name, script := range map[string]func(s *station, k *seat){
		"silent":  func(_ *station, k *seat) {},
		"upgrade": func(_ *station, k *seat) { _ = k.send([]byte(switching)) },
		"hello":   func(s *station, k *seat) { _, _, _ = s.greet(k) },
		"drip": func(_ *station, k *seat) {
			for _, b := range []byte(switching + strings.Repeat("\x01", 1000)) {
				time.Sleep(time.Second) // in a bubble: no time passes outside
				if k.send([]byte{b}) != nil {
					return
				}
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			err := exchange(t, s, s.config(newEvents()), func(k *seat) {
				script(s, k)
				k.until()
			})
			if !errors.Is(err, relay.ErrConnectTimeout) || s.took != relay.DefaultConnect {
				t.Errorf("%s: after %v: %v", name, s.took, err)
			}
		})
	}
}

func TestConnectObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		go func() {
			if k, err := s.accept(); err == nil {
				k.until()
				_ = k.conn.Close()
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := relay.Connect(ctx, s.config(newEvents()))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestConnectWhereNobodyListens(t *testing.T) {
	s := newStation(t)
	_ = s.listener.Close()
	if _, err := relay.Connect(context.Background(), s.config(newEvents())); err == nil {
		t.Error("no error")
	}
}

func TestConfigIsChecked(t *testing.T) {
	s := newStation(t)
	for name, spoil := range map[string]func(*relay.Config){
		"no address":       func(c *relay.Config) { c.Address = relay.Address{} },
		"not parsed":       func(c *relay.Config) { c.Address.Authority = "Relay" },
		"header injection": func(c *relay.Config) { c.Address.Authority = "relay\r\nX: y:80" },
		"no room":          func(c *relay.Config) { c.Room = nil },
		"no handler":       func(c *relay.Config) { c.Handler = nil },
		"negative timer":   func(c *relay.Config) { c.Timers.Pong = -1 },
		"negative limit":   func(c *relay.Config) { c.Limits.Queue = -1 },
	} {
		cfg := s.config(newEvents())
		spoil(&cfg)
		if _, err := relay.Connect(context.Background(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cfg := s.config(newEvents())
	cfg.Room = func(relay.ID) *crypto.Room { return nil }
	if err := exchange(t, s, cfg, func(k *seat) { _, _, _ = s.greet(k) }); !errors.Is(err, relay.ErrNoRoom) {
		t.Errorf("without a room: %v", err)
	}
}
