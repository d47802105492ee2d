package relaylab_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

// TestR7_TwoLANsBehindNATBoxesAndARelayOutside has nodes of two LANs, each
// behind a box that lets nobody in, call each other through a relay (S4-26).
func TestR7_TwoLANsBehindNATBoxesAndARelayOutside(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			s := newSite(t, "lab")
			var args []string
			if secure {
				cert, key := certify(t, netip.MustParseAddr("198.51.100.3"))
				args = []string{"--tls-cert", cert, "--tls-key", key}
				s.env = []string{"SSL_CERT_FILE=" + cert}
			}
			r := s.relay("relay", args...)
			if got := strings.HasPrefix(r.address(), "https://"+r.authority()); got != secure {
				t.Fatalf("the relay's address is %q", r.address())
			}
			s.serve(s.home, "kitchen")
			s.serve(s.office, "desk")
			s.want("42", s.home, "call", "desk", "math.add", "a=40", "b=2")
			s.want("cba", s.office, "call", "kitchen", "text.reverse", "text=abc")
			pong, err := s.run(t.Context(), s.office, "ping", "kitchen", "--count", "3", "--interval", "0s")
			if err != nil || !strings.Contains(pong, "over relay ") || !strings.Contains(pong, r.authority()) {
				t.Errorf("ping says %q, want the path over the relay; error: %v", pong, err)
			}
			t.Log(pong)
			if s.env = nil; secure {
				// Who does not trust the certificate does not speak to the relay.
				if got, err := s.run(t.Context(), s.home, "call", "desk", "math.add", "a=40", "b=2", "--timeout", "1s"); err == nil {
					t.Errorf("without the certificate's root a call gave %q", got)
				}
			}
		})
	}
}

// TestR7_ManyCallsThroughNATBoxes makes calls of which none may fail.
func TestR7_ManyCallsThroughNATBoxes(t *testing.T) {
	calls := 500
	if *long {
		calls = 10_000
	} else {
		t.Logf("%d calls by default; -args -fernmesh.long makes 10,000", calls)
	}
	s := newSite(t, "lab")
	s.relay("relay")
	s.serve(s.office, "desk")
	s.callOften(s.caller("kitchen"), "desk", "abc", calls)
}

// certify makes a certificate for an address, that is its own root.
func certify(t *testing.T, host netip.Addr) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{host.AsSlice()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
