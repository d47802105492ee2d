package node

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/fernmesh/fernmesh/internal/mempipe"
)

// connPair is two ends of a connection in memory.
func connPair() (dialled, accepted *Conn) {
	caller, callee := mempipe.New()
	dialled = newConn(caller, func(error) {})
	accepted = newConn(callee, func(error) { callee.Break(io.EOF) })
	dialled.remote, accepted.local = Addr{"kitchen", "http"}, Addr{"kitchen", "http"}
	dialled.local, accepted.remote = Addr{Node: "attic"}, Addr{Node: "attic"}
	return dialled, accepted
}

func TestConnInMemory(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := connPair()
		return a, b, func() { _, _ = a.Close(), b.Close() }, nil
	})
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := connPair()
		return b, a, func() { _, _ = a.Close(), b.Close() }, nil
	})
}

func TestConnDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := connPair()
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(time.Second))
		go func() {
			time.Sleep(500 * time.Millisecond)
			_ = a.SetReadDeadline(start.Add(3 * time.Second))
		}()
		_, err := a.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read after its deadline: %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("a moved deadline ended the read after %v", took)
		}
		_ = a.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Hour)
			_ = a.Close()
		}()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read without a deadline: %v", err)
		}
	})
}

func TestConnErrorsAfterClose(t *testing.T) {
	a, b := connPair()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1)
	for what, f := range map[string]func() error{
		"Read":       func() error { _, err := a.Read(p); return err },
		"Write":      func() error { _, err := a.Write(p); return err },
		"CloseWrite": a.CloseWrite, "Close": a.Close,
		"SetDeadline":      func() error { return a.SetDeadline(time.Now()) },
		"SetWriteDeadline": func() error { return a.SetWriteDeadline(time.Now()) },
	} {
		if err := f(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if n, err := b.Read(p); n != 0 || err != io.EOF {
		t.Errorf("Read from a closed connection: %d, %v", n, err)
	}
}

func TestConnHalfClose(t *testing.T) {
	a, b := connPair()
	if _, err := a.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.CloseWrite(), a.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("more")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write after CloseWrite: %v", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "question" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := b.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(a); err != nil || string(got) != "answer" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestConnAddresses(t *testing.T) {
	a, b := connPair()
	for got, want := range map[string]string{
		a.LocalAddr().String(): "attic", a.RemoteAddr().String(): "kitchen:http",
		b.LocalAddr().Network(): "fernmesh",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	_ = a.Close()
	_, err := a.Read(make([]byte, 1))
	if err == nil || err.Error() != "read fernmesh attic->kitchen:http: use of closed network connection" {
		t.Errorf("%v", err)
	}
}
