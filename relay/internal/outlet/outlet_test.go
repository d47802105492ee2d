package outlet_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// pair is two ends of a TCP connection.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

// What a connection does not take at once is left to the caller, who need not
// wait for it.
func TestWriteNowDoesNotWait(t *testing.T) {
	near, far := pair(t)
	o := outlet.New(near)
	if !o.Immediate() {
		if runtime.GOOS == "windows" {
			t.Skip("sockets do not tell here what they take at once")
		}
		t.Fatal("a TCP connection cannot be written at once")
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // more than the kernel holds
	n := o.WriteNow(sent)
	if n == 0 || n == len(sent) {
		t.Fatalf("%d bytes were taken", n)
	}
	if more := o.WriteNow(sent[n:]); more != 0 && n+more == len(sent) {
		t.Fatalf("%d more bytes were taken", more)
	} else {
		n += more
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, sent[:n]) {
		t.Errorf("what arrived is not what was taken: %v", err)
	}
	_ = near.Close()
	if n := o.WriteNow(sent); n != 0 {
		t.Errorf("a closed connection took %d bytes", n)
	}
}

// TLS seals any number of records without a write, and the other end reads them.
func TestSealLeavesTheWritingToTheCaller(t *testing.T) {
	near, far := pair(t)
	public, private, _ := ed25519.GenerateKey(nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	o := outlet.New(near)
	own := tls.Server(o, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, DynamicRecordSizingDisabled: true})
	other := tls.Client(far, &tls.Config{InsecureSkipVerify: true}) // what is shown is not who it is
	shaken := make(chan error, 1)
	go func() { shaken <- other.Handshake() }()
	if err := own.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	o.Hold()
	if outlet.Of(own) != o || outlet.Of(o) != o || outlet.Of(tls.Client(far, nil)) != nil {
		t.Error("the outlet of a connection is another")
	}
	want := bytes.Repeat([]byte("x"), 100<<10)
	sealed, err := o.Seal(own, want)
	if err != nil || len(sealed) < len(want) {
		t.Fatalf("%d bytes sealed, %v", len(sealed), err)
	}
	go near.Write(sealed)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("it does not arrive: %v", err)
	}
	// What nobody takes is bounded.
	for range 100 {
		if _, err = own.Write(want); err != nil {
			return
		}
	}
	t.Error("what is sealed and not taken has no bound")
}
