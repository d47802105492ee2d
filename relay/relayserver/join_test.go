package relayserver_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// certify makes a certificate for a host and what trusts it.
func certify(t testing.TB, host string) (server, client *tls.Config) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	return server, &tls.Config{RootCAs: roots, ServerName: host}
}

// newTLSSite starts a relay that ends TLS, as "relay:443".
func newTLSSite(t testing.TB, cfg relayserver.Config) (*site, *tls.Config) {
	t.Helper()
	w := meshtest.NewWorld(1)
	t.Cleanup(w.Close)
	lan := w.LAN("internet", "10.0.0.0/8")
	l, err := w.Host("relay", lan).Listen(context.Background(), netip.MustParseAddrPort("[::]:443"))
	if err != nil {
		t.Fatal(err)
	}
	server, client := certify(t, "relay")
	return serveSite(t, cfg, tls.NewListener(l, server), w.Host("client", lan), "relay:443"), client
}

// secure has a raw client speak TLS.
func (k *raw) secure(cfg *tls.Config) error {
	c := tls.Client(k.conn, cfg)
	k.conn = c
	return c.Handshake()
}

// variant is one way to try to join without the right to.
type variant struct {
	name string
	code relay.ErrorCode
	evil func(k *raw)
	then func(k *raw)
}

// variants are those of R22. The first of a pair of joins is good, and its
// proof is there to be replayed.
func variants(good *raw) []variant {
	return []variant{
		{"wrong key", relay.RefusedProof, nil, func(k *raw) { k.join.Room = network().Room(k.hello.Relay).ID() }},
		{"key for another relay", relay.RefusedProof, nil, func(k *raw) { k.join.Signature = network().Room(relay.ID{1}).SignJoin(k.proof) }},
		{"old challenge", relay.RefusedProof, func(k *raw) { k.proof.Challenge = good.hello.Challenge }, nil},
		{"replayed join", relay.RefusedProof, nil, func(k *raw) { k.join = good.join }},
		{"replayed signature", relay.RefusedProof, nil, func(k *raw) { k.join.Signature = good.join.Signature }},
		{"other relay's signature", relay.RefusedProof, func(k *raw) { k.proof.RelayID = relay.ID{1} }, nil},
		{"zero challenge", relay.RefusedProof, func(k *raw) { k.proof.Challenge = [32]byte{} }, nil},
		{"other nonce", relay.RefusedProof, nil, func(k *raw) { k.join.Nonce[0]++ }},
		{"other address", relay.RefusedProof, nil, func(k *raw) { k.join.Address[0]++ }},
		{"other host", relay.RefusedProof, nil, func(k *raw) { k.join.Host = "relay:3377" }},
		{"host that is not the relay's", relay.RefusedHost, func(k *raw) { k.proof.Host = "evil.example:3376" }, nil},
		{"host without port", relay.RefusedHost, func(k *raw) { k.proof.Host = "relay" }, nil},
		{"host in upper case", relay.RefusedHost, func(k *raw) { k.proof.Host = "RELAY:3376" }, nil},
		{"host with zero byte", relay.RefusedHost, func(k *raw) { k.proof.Host = "relay:3376\x00" }, nil},
		{"other exporter", relay.RefusedProof, func(k *raw) { k.proof.Exporter[31] ^= 1 }, nil},
		{"taken address", relay.RefusedTaken, func(k *raw) { k.proof.Address = good.self }, nil},
		{"zero signature", relay.RefusedProof, nil, func(k *raw) { k.join.Signature = [64]byte{} }},
		{"zero room", relay.RefusedProof, nil, func(k *raw) { k.join.Room, k.join.Signature = [32]byte{}, [64]byte{} }},
		{"turned bit", relay.RefusedProof, nil, func(k *raw) { k.join.Signature[63] ^= 1 }},
		{"host with a dot behind", relay.RefusedHost, func(k *raw) { k.proof.Host = "relay.:3376" }, nil},
		{"JOINED's signature", relay.RefusedProof, nil, func(k *raw) { k.join.Signature = k.proof.SignJoined(crypto.NewIdentity(), k.room.ID()) }},
	}
}

// R22: none of some twenty ways to join without the right to it works, and the room
// that was tried sees none of it.
func TestR22_JoinsWithoutTheRight(t *testing.T) {
	times := 20 // of each; a join costs four signatures
	if *long {
		times = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, relayserver.Config{PublicHosts: []string{"relay:3376", "relay:3377"}, Limits: relayserver.Limits{JoinsPerIP: 1e6}}), network()
		good := s.rawMember(n)
		for _, v := range variants(good) {
			for range times {
				k := s.dialRaw()
				if err := k.upgrade(); err != nil {
					t.Fatal(err)
				}
				k.evil, k.forge = v.evil, v.then
				err := k.enter(n, s.authority)
				var refused *relay.RefusedError
				if !errors.As(err, &refused) || refused.Code != v.code {
					t.Fatalf("%s: %v", v.name, err)
				}
				_ = k.conn.Close()
			}
		}
		good.send(relay.AppendPing(nil, relay.Echo{}))
		good.want("PONG 0000000000000000")
		if st := s.server.Stats(); st.Joins != 1 || st.Refused != int64(len(variants(good))*times) {
			t.Errorf("%+v", st)
		}
	})
}

// A relay that ends TLS has proofs bound to it; one made for another TLS
// connection, or for none, is refused, whatever HELLO's bit says (R22).
func TestR22_ProofIsBoundToTLS(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, trust := newTLSSite(t, relayserver.Config{BehindProxy: behind})
		n := network()
		for name, evil := range map[string]func(k *raw){
			"":              nil,
			"zero exporter": func(k *raw) { k.proof.Exporter = [32]byte{} },
			"other one":     func(k *raw) { k.proof.Exporter[0]++ },
		} {
			k := s.dialRaw()
			if err := errors.Join(k.secure(trust), k.upgrade()); err != nil {
				t.Fatal(err)
			}
			if k.hello.Proxied {
				t.Error("HELLO tells a TLS client to leave out the exporter")
			}
			k.evil = evil
			if err := k.enter(n, s.authority); name == "" && err != nil {
				t.Error(err)
			} else if name != "" {
				wantRefused(t, err, relay.RefusedProof)
			}
		}
	}
}

// The client of package relay joins over TLS.
func TestClientJoinsOverTLS(t *testing.T) {
	s, trust := newTLSSite(t, defaults())
	n := network()
	cfg := s.config(n, nil)
	cfg.Address.TLS, cfg.TLSConfig = true, trust
	cfg.Address.Pin, cfg.Address.Pinned = s.server.ID(), true
	alice, bob := s.joinWith(cfg), s.joinWith(cfg)
	out, in := open(t, alice, bob)
	if err := out.WriteRecord(make([]byte, 80_000)); err != nil {
		t.Fatal(err)
	}
	if got, err := in.ReadRecord(1 << 20); err != nil || len(got) != 80_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if !alice.Secure() {
		t.Error("not TLS")
	}
}

// A connection of older TLS is closed before a word, also when the listener lets it in.
func TestOlderTLSIsRefused(t *testing.T) {
	s, trust := newTLSSite(t, defaults())
	trust.MinVersion, trust.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	k := s.dialRaw()
	if err := k.secure(trust); err != nil {
		return // refused already there
	}
	if err := k.upgrade(); err == nil {
		t.Error("the relay greets over TLS 1.2")
	}
}

// Behind a proxy HELLO says so, and clients leave out the exporter.
func TestBehindProxySaysSo(t *testing.T) {
	s := newSite(t, relayserver.Config{BehindProxy: true})
	k := s.dialRaw()
	if err := k.upgrade(); err != nil || !k.hello.Proxied {
		t.Errorf("proxied %v, %v", k.hello.Proxied, err)
	}
}

// A public host with a port means this port, one without any; without public
// hosts every name will do.
func TestPublicHosts(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		host  string
		ok    bool
	}{
		{nil, "anything:1", true},
		{[]string{"relay.example"}, "relay.example:443", true},
		{[]string{"relay.example"}, "relay.example:3376", true},
		{[]string{"Relay.Example:443"}, "relay.example:443", true},
		{[]string{"relay.example:443"}, "relay.example:3376", false},
		{[]string{"relay.example"}, "evil.example:443", false},
		{[]string{"a.example", "[2001:db8::1]"}, "[2001:db8::1]:3376", true},
		{[]string{"a.example", "[2001:db8::1]:3376"}, "[2001:db8::1]:3376", true},
		{[]string{"a.example"}, "a.example", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, relayserver.Config{PublicHosts: c.hosts})
			k := s.dialRaw()
			if err := k.upgrade(); err != nil {
				t.Fatal(err)
			}
			err := k.enter(network(), c.host)
			if c.ok && err != nil {
				t.Errorf("%v, %s: %v", c.hosts, c.host, err)
			}
			if !c.ok {
				wantRefused(t, err, relay.RefusedHost)
			}
		})
	}
}

// A config that cannot work is an error, not a relay.
func TestConfigIsChecked(t *testing.T) {
	id := crypto.NewIdentity()
	for name, cfg := range map[string]relayserver.Config{
		"no identity": {},
		"URL as host": {Identity: id, PublicHosts: []string{"https://relay.example"}},
		"bad host":    {Identity: id, PublicHosts: []string{"a b"}},
		"tiny queue":  {Identity: id, Limits: relayserver.Limits{Queue: 1000}},
	} {
		if _, err := relayserver.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A frame that the protocol does not allow ends the connection, before and after
// joining.
func TestBadFramesEndTheConnection(t *testing.T) {
	for name, frame := range map[string][]byte{
		"type zero":      {0, 0, 0, 0, 0},
		"unknown type":   {0x7f, 0, 0, 0, 0},
		"relay's frame":  relay.AppendUp(nil, relay.Addr{1}),
		"second JOIN":    relay.AppendJoin(nil, relay.Join{Host: "h"}),
		"empty record":   {byte(relay.FrameSend), 0, 0, 0, 24},
		"too long":       {byte(relay.FrameSend), 0xff, 0xff, 0xff, 0xff},
		"too long token": {byte(relay.FrameCast), 0, 0, 0x05, 0x79},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, defaults())
			k := s.rawMember(network())
			k.send(frame)
			k.want("end")
			if name == "second JOIN" {
				return
			}
			k = s.dialRaw()
			if err := k.upgrade(); err != nil {
				t.Fatal(err)
			}
			k.send(frame)
			if _, _, err := k.frames.Next(relay.AwaitJoined); !errors.Is(err, io.EOF) {
				t.Errorf("%s before joining: %v", name, err)
			}
		})
	}
}
