package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the certificate's file is looked at, at most.
const lookEvery = 10 * time.Second

// certificate is that of the relay's files. It is read again when they change,
// since certificates are renewed while a relay runs. What cannot be read is
// reported, and the last good one stays.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // of the files
	looked  time.Time
}

func loadCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger, looked: time.Now()}
	c.changed = c.times()
	loaded, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	c.current = &loaded
	return c, nil
}

// times are those of the files' last changes, zero for one that is not there.
func (c *certificate) times() (t [2]time.Time) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		c.look()
	}
	return c.current, nil
}

// look reads the files if they have changed. The caller holds mu.
func (c *certificate) look() {
	t := c.times()
	if t == c.changed {
		return
	}
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.logger.Warn("the new certificate cannot be used; the old one stays", "error", err)
		return // and looks again: the key may be written after the certificate
	}
	c.current, c.changed = &loaded, t
}

// host is the first name of the certificate, "" if it has none that is dialled.
func (c *certificate) host() string {
	leaf, err := x509.ParseCertificate(c.current.Certificate[0])
	if err != nil {
		return ""
	}
	for _, name := range leaf.DNSNames {
		if name != "" && name[0] != '*' {
			return name
		}
	}
	if len(leaf.IPAddresses) > 0 {
		return leaf.IPAddresses[0].String()
	}
	return ""
}

// config is TLS as relays speak it.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}
}
