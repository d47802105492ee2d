package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// writeCertificate makes cert.pem and key.pem in dir, and returns what trusts it.
func writeCertificate(t *testing.T, dir, host string) *x509.CertPool {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"*." + host, host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err2 := x509.CreateCertificate(rand.Reader, template, template, public, private)
	key, err3 := x509.MarshalPKCS8PrivateKey(private)
	cert, err4 := x509.ParseCertificate(der)
	err = errors.Join(err, err2, err3, err4,
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// With a certificate the relay speaks TLS, names it in the line, and clients join.
func TestServeWithCertificate(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir, "relay.example")
	p := start(t, dir, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	host, port, err := net.SplitHostPort(p.address.Authority)
	if err != nil || host != "relay.example" || !p.address.TLS {
		t.Fatalf("the line names %v", p.address)
	}
	n, address := crypto.Derive(crypto.GenerateKey(), "home"), p.address
	address.Authority = net.JoinHostPort("127.0.0.1", port) // as if the name led there
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := relay.Connect(ctx, relay.Config{
		Address: address, Handler: quiet{}, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "relay.example"},
		Room: func(id relay.ID) *crypto.Room { return n.Room(id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close(errors.New("enough"))
}

// A certificate that was renewed is used; one that cannot be read is reported,
// and the last good one stays.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, log := t.TempDir(), &bytes.Buffer{}
	writeCertificate(t, dir, "old.example")
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		change func()
		host   string
		logged bool
	}{
		{func() {}, "old.example", false},
		{func() { writeCertificate(t, dir, "new.example") }, "new.example", false},
		{func() { _ = os.WriteFile(keyFile, []byte("half a k"), 0o600) }, "new.example", true},
	} {
		log.Reset()
		step.change()
		for _, f := range []string{certFile, keyFile} { // files of one test may be of one instant
			_ = os.Chtimes(f, time.Time{}, time.Now().Add(time.Duration(i)*time.Minute))
		}
		c.looked = time.Time{}
		if _, err := c.get(nil); err != nil || c.host() != step.host || (log.Len() > 0) != step.logged {
			t.Errorf("step %d: %v, host %s, log %q", i, err, c.host(), log)
		}
	}
}

// /healthz says whether the relay takes clients, and nothing else is served.
func TestHealthz(t *testing.T) {
	server, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	o, err := startOps(t.Context(), address, server)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	get := func(path string) string {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + address + path)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		return fmt.Sprint(answer.StatusCode, " ", string(b), err)
	}
	if got := get("/healthz"); got != "503 not serving\n<nil>" {
		t.Errorf("before it serves: %q", got)
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	for deadline := time.Now().Add(5 * time.Second); get("/healthz") != "200 ok\n<nil>"; {
		if time.Now().After(deadline) {
			t.Fatalf("while it serves: %q", get("/healthz"))
		}
	}
	if got := get("/debug/pprof/"); got != "404 404 page not found\n<nil>" {
		t.Errorf("something else: %q", got)
	}
	server.Close()
	if err := <-served; !errors.Is(err, relayserver.ErrClosed) {
		t.Error(err)
	}
	if got := get("/healthz"); got != "503 not serving\n<nil>" {
		t.Errorf("after it has ended: %q", got)
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A port that is taken is said so, whichever it is.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, flags := range [][]string{
		{"--listen", l.Addr().String(), "--ops-listen", "off"},
		{"--listen", "127.0.0.1:0", "--ops-listen", l.Addr().String()},
	} {
		var stderr bytes.Buffer
		p := &program{stdin: bytes.NewReader(nil), stdout: io.Discard, stderr: &stderr, getenv: func(string) string { return "" }}
		code := p.run(t.Context(), append([]string{"serve", "--state-dir", t.TempDir()}, flags...))
		if code != exitFailure || !bytes.Contains(stderr.Bytes(), []byte("address already in use")) {
			t.Errorf("%v: exit code %d, %s", flags, code, stderr.String())
		}
	}
}
