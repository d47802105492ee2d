package meshtest_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test with a world under virtual time.
func bubble(t *testing.T, f func(t *testing.T, w *meshtest.World)) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		defer w.Close()
		f(t, w)
	})
}

// serve listens on a port of a host; accepted connections come out of the
// channel.
func serve(t *testing.T, h *meshtest.Host, port uint16) <-chan net.Conn {
	t.Helper()
	l, err := h.Listen(context.Background(), netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan net.Conn, 1)
	go func() {
		defer close(ch)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ch <- c
		}
	}()
	return ch
}

func dial(t *testing.T, from *meshtest.Host, to netip.Addr, port uint16) net.Conn {
	t.Helper()
	c, err := from.Dial(context.Background(), address(to, port))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pair connects two hosts.
func pair(t *testing.T, a, b *meshtest.Host) (client, server net.Conn) {
	t.Helper()
	accepted := serve(t, b, 4000)
	client = dial(t, a, b.Addr(), 4000)
	return client, <-accepted
}

func address(a netip.Addr, port uint16) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(int(port)))
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// read takes exactly as many bytes as text has and compares them.
func read(t *testing.T, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b, err, text)
	}
}

// ear is a UDP socket with all that it has heard.
type ear struct {
	sockets.Packets
	heard chan datagram
}

type datagram struct {
	text  string
	from  netip.AddrPort
	index int
}

func listenTo(p sockets.Packets) *ear {
	e := &ear{p, make(chan datagram, 1000)}
	go func() {
		buf := make([]byte, 2048)
		for {
			d, err := p.Read(buf)
			if err != nil {
				close(e.heard)
				return
			}
			e.heard <- datagram{string(buf[:d.N]), d.From, d.Interface}
		}
	}()
	return e
}

// shared opens the advertiser port of a host with a group on all interfaces.
func shared(t *testing.T, h *meshtest.Host, group string) *ear {
	t.Helper()
	cfg := sockets.Shared{Port: 3376, IPv6: netip.MustParseAddr(group).Is6()}
	for _, i := range interfaces(t, h) {
		cfg.Groups = append(cfg.Groups, sockets.Group{Interface: i, Addr: netip.MustParseAddr(group)})
	}
	p, err := h.ListenShared(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.JoinErrors(); err != nil {
		t.Fatal(err)
	}
	return listenTo(p)
}

// on opens a socket on one address of a host.
func on(t *testing.T, h *meshtest.Host, addr netip.Addr) *ear {
	t.Helper()
	for _, i := range interfaces(t, h) {
		if i.Has(addr) {
			p, err := h.ListenOn(context.Background(), i, addr)
			if err != nil {
				t.Fatal(err)
			}
			return listenTo(p)
		}
	}
	t.Fatalf("%s has no address %v", h.Name(), addr)
	return nil
}

func interfaces(t *testing.T, h *meshtest.Host) []sockets.Interface {
	t.Helper()
	all, err := h.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (e *ear) say(t *testing.T, text, to string) {
	t.Helper()
	if err := e.Write([]byte(text), netip.MustParseAddrPort(to)); err != nil {
		t.Fatal(err)
	}
}

// hears checks what has come in when all is quiet.
func (e *ear) hears(t *testing.T, texts ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for len(e.heard) > 0 {
		got = append(got, (<-e.heard).text)
	}
	if len(got) != len(texts) {
		t.Fatalf("%v heard %q, want %q", e.LocalAddr(), got, texts)
	}
	for i, text := range texts {
		if got[i] != text {
			t.Fatalf("%v heard %q, want %q", e.LocalAddr(), got, texts)
		}
	}
}

// took checks the virtual time since start.
func took(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("it took %v, want %v", d, want)
	}
}

func fill(n int) []byte { return bytes.Repeat([]byte("x"), n) }
