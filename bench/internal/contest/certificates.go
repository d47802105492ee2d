package contest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Certificates are an authority of one run and the certificates of a server
// on loopback and of a client, in PEM.
type Certificates struct {
	Authority  []byte `json:"authority"`
	ServerCert []byte `json:"server_cert"`
	ServerKey  []byte `json:"server_key"`
	ClientCert []byte `json:"client_cert"`
	ClientKey  []byte `json:"client_key"`
}

// NewCertificates makes an authority and both certificates, with P-256 keys,
// valid for a day, for "localhost" and the loopback addresses.
func NewCertificates() (Certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificates{}, err
	}
	ca := template(1, "fernmesh comparison")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return Certificates{}, fmt.Errorf("make an authority: %w", err)
	}
	c := Certificates{Authority: encode("CERTIFICATE", der)}
	if c.ServerCert, c.ServerKey, err = issue(template(2, "server"), ca, key); err != nil {
		return Certificates{}, err
	}
	if c.ClientCert, c.ClientKey, err = issue(template(3, "client"), ca, key); err != nil {
		return Certificates{}, err
	}
	return c, nil
}

func template(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
}

func issue(t, ca *x509.Certificate, by *ecdsa.PrivateKey) (cert, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, own.Public(), by)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", private), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Server returns a configuration that speaks TLS 1.3 only and, if mutual,
// wants a certificate of the authority from its clients.
func (c Certificates) Server(mutual bool, protocols ...string) (*tls.Config, error) {
	config, roots, err := c.config(c.ServerCert, c.ServerKey, protocols)
	if err == nil && mutual {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, roots
	}
	return config, err
}

// Client returns a configuration that speaks TLS 1.3 only, trusts the
// authority alone and shows the client's certificate.
func (c Certificates) Client(protocols ...string) (*tls.Config, error) {
	config, roots, err := c.config(c.ClientCert, c.ClientKey, protocols)
	if err == nil {
		config.RootCAs, config.ServerName = roots, "localhost"
	}
	return config, err
}

func (c Certificates) config(cert, key []byte, protocols []string) (*tls.Config, *x509.CertPool, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.Authority) {
		return nil, nil, errors.New("no authority among the certificates")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: protocols}, roots, nil
}
