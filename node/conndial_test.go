package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// linked starts a node that listens on the loopback interface and one that has
// it as a static peer: two nodes with one TCP link and nothing else.
func linked(t testing.TB) (attic, kitchen *Node) {
	t.Helper()
	keys := crypto.Ring(crypto.GenerateKey())
	up := func(cfg Config) *Node {
		cfg.Network, cfg.Keys, cfg.NoLAN = "loopback", keys, true
		return running(t, cfg)
	}
	kitchen = up(Config{Name: "kitchen", Listen: "127.0.0.1:0"})
	return up(Config{Name: "attic", Peers: []string{kitchen.Addr().String()}, Listen: "127.0.0.1:0"}), kitchen
}

// offer listens for a service until the test ends.
func offer(t testing.TB, n *Node, service string) net.Listener {
	t.Helper()
	l, err := n.Listen(service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// connect dials a service and accepts the connection.
func connect(n *Node, target, service string, l net.Listener) (dialled, accepted *Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	near, err := n.Dial(ctx, target, service)
	if err != nil {
		return nil, nil, err
	}
	far, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	return near.(*Conn), far.(*Conn), nil
}

// connected is connect for a test, which closes both ends at its end.
func connected(t testing.TB, n *Node, target, service string, l net.Listener) (dialled, accepted *Conn) {
	t.Helper()
	a, b, err := connect(n, target, service, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// connTests runs the suite for net.Conn on what dial and its listener give,
// from either end.
func connTests(t *testing.T, dialler, listening *Node) {
	l := offer(t, listening, "suite")
	for _, end := range []string{"dialled", "accepted"} {
		t.Run(end, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				a, b, err := connect(dialler, listening.Name(), "suite", l)
				if err != nil {
					return nil, nil, nil, err
				}
				stop := func() { _, _ = a.Close(), b.Close() }
				if end == "accepted" {
					return b, a, stop, nil
				}
				return a, b, stop, nil
			})
		})
	}
}

func TestConnOverALink(t *testing.T) {
	attic, kitchen := linked(t)
	connTests(t, attic, kitchen)
}

func TestConnThroughARelay(t *testing.T) {
	nodes := atRelay(t, "attic", "kitchen")
	connTests(t, nodes[0], nodes[1])
}

func TestConnToOneself(t *testing.T) {
	_, kitchen := linked(t)
	connTests(t, kitchen, kitchen)
}

// A graceful Close loses nothing, in either direction, also while the other side
// has not begun to read.
func TestConnCloseDeliversEverything(t *testing.T) {
	attic, kitchen := linked(t)
	l := offer(t, kitchen, "files")
	sent := make([]byte, 200<<10) // within what waits unread
	for i := range sent {
		sent[i] = byte(i)
	}
	for _, from := range []string{"dialled", "accepted"} {
		a, b := connected(t, attic, "kitchen", "files", l)
		if from == "accepted" {
			a, b = b, a
		}
		if _, err := a.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s closed: %d bytes, %v", from, len(got), err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// One side asks and ends its direction; the other reads to the end, answers, and
// closes.
func TestConnHalfCloseOverALink(t *testing.T) {
	attic, kitchen := linked(t)
	l := offer(t, kitchen, "sums")
	for _, asks := range []string{"dialled", "accepted"} {
		a, b := connected(t, attic, "kitchen", "sums", l)
		if asks == "accepted" {
			a, b = b, a
		}
		question := make([]byte, 1<<20)
		go func() {
			if _, err := a.Write(question); err != nil {
				t.Error(err)
			}
			if err := a.CloseWrite(); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != len(question) {
			t.Fatalf("%s asks: %d bytes, %v", asks, len(got), err)
		}
		if _, err := b.Write([]byte("all of it")); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(a); err != nil || string(answer) != "all of it" {
			t.Errorf("%s asks: %q, %v", asks, answer, err)
		}
	}
}

// What is written into a connection that the other side has closed is refused,
// and says so.
func TestConnWriteAfterThePeerClosed(t *testing.T) {
	attic, kitchen := linked(t)
	l := offer(t, kitchen, "short")
	for _, closes := range []string{"accepted", "dialled"} {
		a, b := connected(t, attic, "kitchen", "short", l)
		if closes == "dialled" {
			a, b = b, a
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s closed: Read: %v", closes, err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(20 * time.Second))
		var err error
		for err == nil { // a peer that closed takes a while to be sure that nobody listens
			_, err = a.Write(make([]byte, 64<<10))
		}
		if closes == "accepted" && !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF) || isTimeout(err) {
			t.Errorf("%s closed: Write: %v", closes, err)
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// 64 MiB arrive as they were sent.
func TestConnLargeTransfer(t *testing.T) {
	attic, kitchen := linked(t)
	relayed := atRelay(t, "near", "far")
	for what, c := range map[string]struct {
		from, to *Node
		size     int64
	}{"over a link": {attic, kitchen, 64 << 20}, "through a relay": {relayed[0], relayed[1], 16 << 20}} {
		l := offer(t, c.to, "files")
		a, b := connected(t, c.from, c.to.Name(), "files", l)
		sent, got := sha256.New(), sha256.New()
		go func() {
			source := io.LimitReader(rand.NewChaCha8([32]byte{1}), c.size)
			if _, err := io.Copy(a, io.TeeReader(source, sent)); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			_ = a.Close()
		}()
		n, err := io.Copy(got, b)
		if err != nil || n != c.size || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
			t.Errorf("%s: %d bytes, %v, the same: %v", what, n, err, bytes.Equal(sent.Sum(nil), got.Sum(nil)))
		}
	}
}

// Each byte leaves at once: the next is sent only when it has come back.
func TestConnEachByteLeavesAtOnce(t *testing.T) {
	attic, kitchen := linked(t)
	relayed := atRelay(t, "near", "far")
	for what, c := range map[string][2]*Node{"over a link": {attic, kitchen}, "through a relay": {relayed[0], relayed[1]}, "to oneself": {kitchen, kitchen}} {
		l := offer(t, c[1], "terminal "+c[0].Name())
		a, b := connected(t, c[0], c[1].Name(), "terminal "+c[0].Name(), l)
		go func() {
			_, _ = io.Copy(b, b)
			_ = b.Close()
		}()
		_ = a.SetDeadline(time.Now().Add(10 * time.Second))
		got := make([]byte, 1)
		for i := range 500 {
			if _, err := a.Write([]byte{byte(i)}); err != nil {
				t.Fatalf("%s, byte %d: %v", what, i, err)
			}
			if _, err := io.ReadFull(a, got); err != nil || got[0] != byte(i) {
				t.Fatalf("%s, byte %d: %v, %v", what, i, got, err)
			}
		}
	}
}

func TestConnSaysWhoAndHow(t *testing.T) {
	attic, kitchen := linked(t)
	l := offer(t, kitchen, "http")
	a, b := connected(t, attic, "kitchen", "http", l)
	if a.RemoteAddr().String() != "kitchen:http" || a.LocalAddr().String() != "attic" || a.Path().Kind != "lan" || a.Path().Addr == "" {
		t.Errorf("dialled: %v, %v, %+v", a.LocalAddr(), a.RemoteAddr(), a.Path())
	}
	if b.RemoteAddr().String() != "attic" || b.LocalAddr().String() != "kitchen:http" || l.Addr().String() != "kitchen:http" || b.Path().Kind != "lan" {
		t.Errorf("accepted: %v, %v, %+v", b.LocalAddr(), b.RemoteAddr(), b.Path())
	}
	if c := b.Caller(); !c.Verified || c.Key != attic.Identity() || c.Name != "attic" || a.Caller() != (commands.Caller{}) {
		t.Errorf("callers: %+v, %+v", c, a.Caller())
	}
}

// A refusal is never taken for a connection, however close its signs come.
func TestDialIsRefusedEachTime(t *testing.T) {
	attic, kitchen := linked(t)
	for _, n := range []*Node{attic, kitchen} {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					if c, err := n.Dial(t.Context(), "kitchen", "nothing"); err == nil {
						_ = c.Close()
						t.Error("a service that is not there was connected")
					}
				}
			})
		}
		all.Wait()
	}
}

// BenchmarkConn measures one direction of a connection, and the round trip of one
// byte, beside plain TCP on loopback.
func BenchmarkConn(b *testing.B) {
	attic, kitchen := linked(b)
	relayed := atRelay(b, "near", "far")
	l, r := offer(b, kitchen, "bench"), offer(b, relayed[1], "bench")
	pairs := map[string]func(b *testing.B) (net.Conn, net.Conn){
		"tcp":   func(b *testing.B) (net.Conn, net.Conn) { return tcpPair(b) },
		"lan":   func(b *testing.B) (net.Conn, net.Conn) { return connected(b, attic, "kitchen", "bench", l) },
		"relay": func(b *testing.B) (net.Conn, net.Conn) { return connected(b, relayed[0], "far", "bench", r) },
	}
	for _, path := range []string{"tcp", "lan", "relay"} {
		b.Run("throughput/"+path, func(b *testing.B) {
			from, to := pairs[path](b)
			benchmarkThroughput(b, from, to)
		})
		b.Run("roundtrip/"+path, func(b *testing.B) {
			from, to := pairs[path](b)
			benchmarkRoundTrip(b, from, to)
		})
	}
}

func tcpPair(b *testing.B) (net.Conn, net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	from, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	to, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = from.Close(), to.Close() })
	return from, to
}

func benchmarkThroughput(b *testing.B, from, to net.Conn) {
	block := make([]byte, 64<<10)
	b.SetBytes(int64(len(block)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{to})
	}()
	for b.Loop() {
		if _, err := from.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	_ = from.Close()
	<-done
}

func benchmarkRoundTrip(b *testing.B, from, to net.Conn) {
	go func() { _, _ = io.Copy(to, struct{ io.Reader }{to}) }()
	p := make([]byte, 1)
	for b.Loop() {
		if _, err := from.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := from.Read(p); err != nil {
			b.Fatal(err)
		}
	}
	_ = from.Close()
}
