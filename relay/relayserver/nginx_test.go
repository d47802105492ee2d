package relayserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay/relayserver"
	"github.com/fernmesh/fernmesh/sockets"
)

// nginxConfig is what "fernmesh-relay help config" shows, with TLS and in a
// folder of its own.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/a;
    proxy_temp_path %[1]s/b;
    fastcgi_temp_path %[1]s/c;
    uwsgi_temp_path %[1]s/d;
    scgi_temp_path %[1]s/e;
    server {
        listen 127.0.0.1:%[2]d ssl;
        server_name relay.example;
        ssl_certificate %[1]s/cert.pem;
        ssl_certificate_key %[1]s/key.pem;
        ssl_protocols TLSv1.3;
        location = /fernmesh/1 {
            proxy_pass http://%[3]s;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_read_timeout 120s;
            proxy_send_timeout 120s;
        }
    }
}
`

// Behind a real reverse proxy that ends TLS, clients join and exchange records.
func TestBehindNginx(t *testing.T) {
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("needs nginx (Debian package nginx), and found none:", err)
	}
	s := localSite(t, relayserver.Config{BehindProxy: true, PublicHosts: []string{"127.0.0.1"}})
	dir, port := t.TempDir(), freePort(t)
	trust := writeCertificate(t, dir)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, port, s.authority), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &bytes.Buffer{}
	cmd := exec.Command(binary, "-p", dir, "-c", config)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	s.authority = fmt.Sprintf("127.0.0.1:%d", port)
	awaitListener(t, s.authority, said)

	n := network()
	cfg := s.config(n, nil)
	cfg.Address.TLS, cfg.TLSConfig = true, trust
	cfg.Address.Pin, cfg.Address.Pinned = s.server.ID(), true
	alice, bob := s.joinWith(cfg), s.joinWith(cfg)
	out, in := open(t, alice, bob)
	for i := range 50 {
		if err := out.WriteRecord(make([]byte, wire.MaxRecord)); err != nil {
			t.Fatal(err)
		}
		if b, err := in.ReadRecord(wire.MaxRecord); err != nil || len(b) != wire.MaxRecord {
			t.Fatalf("record %d: %d bytes, %v", i, len(b), err)
		}
	}
	bob.Close(nil)
	if got := <-alice.down; got != bob.Self() {
		t.Errorf("%v is down", got)
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// writeCertificate makes one in PEM files and returns what trusts it.
func writeCertificate(t *testing.T, dir string) *tls.Config {
	server, trust := certify(t, "relay.example")
	c := server.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// awaitListener waits until somebody listens.
func awaitListener(t *testing.T, address string, said fmt.Stringer) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := sockets.System().Dial(context.Background(), address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %v; it says %s", err, strings.TrimSpace(said.String()))
		}
	}
}
