package contest

import (
	"crypto/tls"
	"net"
	"testing"
)

func TestCertificatesMakeBothSidesProveThemselves(t *testing.T) {
	c, err := NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	server, err := c.Server(true, "h2")
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.Client("h2")
	if err != nil {
		t.Fatal(err)
	}
	if err := shake(t, server, client); err != nil {
		t.Fatal(err)
	}
	unproved := client.Clone()
	unproved.Certificates = nil
	if shake(t, server, unproved) == nil {
		t.Error("a client without a certificate was welcome")
	}
	other, err := NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	if stranger, err := other.Client(); err != nil || shake(t, server, stranger) == nil {
		t.Errorf("certificates of another authority were welcome: %v", err)
	}
}

// shake returns the server's error of a handshake, or that of the client.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		s := tls.Server(far, server)
		err := s.Handshake()
		if v := s.ConnectionState().Version; err == nil && v != tls.VersionTLS13 {
			t.Errorf("version %x", v)
		}
		done <- err
	}()
	c := tls.Client(near, client)
	err := c.Handshake()
	if err == nil {
		go func() { _, _ = c.Read(make([]byte, 1)) }() // takes the session ticket or alert
	} else {
		near.Close()
	}
	if serverErr := <-done; serverErr != nil {
		return serverErr
	}
	return err
}
