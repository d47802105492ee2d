package meshtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
	"golang.org/x/net/nettest"
)

func TestConnectionsAreNetConns(t *testing.T) {
	for name, latency := range map[string]time.Duration{"at once": 0, "with latency": 100 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				w := meshtest.NewWorld(1)
				lan := w.LAN("lan", "10.1.0.0/24")
				lan.SetLatency(latency)
				a, b := w.Host("a", lan), w.Host("b", lan)
				l, err := b.Listen(context.Background(), netip.AddrPort{})
				if err != nil {
					return nil, nil, nil, err
				}
				port := l.Addr().(*net.TCPAddr).AddrPort().Port()
				if c1, err = a.Dial(context.Background(), address(b.Addr(), port)); err != nil {
					return nil, nil, nil, err
				}
				c2, err = l.Accept()
				return c1, c2, w.Close, err
			})
		})
	}
}

func TestLatencyPassesInVirtualTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		lan.SetLatency(300 * time.Millisecond)
		a, b := w.Host("a", lan), w.Host("b", lan)
		start := time.Now()
		c, s := pair(t, a, b)
		took(t, start, 600*time.Millisecond)
		write(t, c, "ping")
		read(t, s, "ping")
		took(t, start, 900*time.Millisecond)
	})
}

func TestStreamsStayInOrderUnderJitterAndLoss(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		lan.SetJitter(50 * time.Millisecond)
		lan.SetLoss(0.3)
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		start := time.Now()
		go func() {
			for i := range 1000 {
				c.Write([]byte{byte(i)})
			}
			c.Close()
		}()
		b, err := io.ReadAll(s)
		if err != nil || len(b) != 1000 {
			t.Fatalf("read %d bytes, %v", len(b), err)
		}
		for i := range b {
			if b[i] != byte(i) {
				t.Fatalf("byte %d is out of order", i)
			}
		}
		if d := time.Since(start); d < 200*time.Millisecond {
			t.Errorf("no retransmission is seen in %v", d)
		}
	})
}

func TestBackPressureAt64KiB(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(fill(100 << 10))
		if n != 64<<10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wrote %d bytes to a reader that does not read, %v", n, err)
		}
		c.SetWriteDeadline(time.Time{})
		wrote := make(chan error)
		go func() {
			_, err := c.Write([]byte("y"))
			wrote <- err
		}()
		read(t, s, "x")
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		write(t, c, "question")
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(s); string(b) != "question" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if _, err := io.WriteString(c, "more"); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write after CloseWrite gives %v, want EPIPE", err)
		}
		write(t, s, "answer")
		read(t, c, "answer")
	})
}

func TestClosingWithUnreadBytesResets(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		write(t, c, "never read")
		s.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read gives %v, want a reset", err)
		}
	})
}

func TestWritingToAClosedConnectionResets(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		s.Close()
		write(t, c, "nobody reads this")
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the second write gives %v, want a reset", err)
		}
	})
}

func TestConcurrentWritesDoNotMix(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		c, s := pair(t, w.Host("a", lan), w.Host("b", lan))
		const size = 200 << 10 // more than what fits between the ends
		for _, letter := range []string{"x", "y"} {
			go c.Write(bytes.Repeat([]byte(letter), size))
		}
		got := make([]byte, 2*size)
		if _, err := io.ReadFull(s, got); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(got[:size], got[:1]); n != size {
			t.Errorf("only %d of the first %d bytes are of one Write", n, size)
		}
	})
}

func TestClosingAListenerResetsWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		l, err := b.Listen(context.Background(), netip.MustParseAddrPort("[::]:4000"))
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, a, b.Addr(), 4000)
		l.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read gives %v, want a reset", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept gives %v", err)
		}
		if _, err := a.Dial(context.Background(), "b:4000"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial gives %v, want connection refused", err)
		}
	})
}

func TestAFullBacklogIsNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		l, err := b.Listen(context.Background(), netip.MustParseAddrPort("[::]:4000"))
		if err != nil {
			t.Fatal(err)
		}
		for range 128 {
			dial(t, a, b.Addr(), 4000)
		}
		time.AfterFunc(2*time.Second, func() { l.Accept() })
		start := time.Now()
		dial(t, a, b.Addr(), 4000)
		took(t, start, 3*time.Second) // the second retry
	})
}

func TestADialSharesItsTimeAmongAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		home, office := w.LAN("home", "10.1.0.0/24"), w.LAN("office", "10.2.0.0/24")
		a, b := w.Host("a", home, office), w.Host("b", home, office)
		serve(t, b, 4000)
		home.SetLoss(1)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		start := time.Now()
		c, err := a.Dial(ctx, "b:4000")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != "10.2.0.1:4000" && got != "10.2.0.2:4000" {
			t.Errorf("connected to %s", got)
		}
		took(t, start, 5*time.Second)
	})
}

func TestResetBreaksBothEndsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		lan.SetLatency(time.Second)
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, s := pair(t, a, b)
		start := time.Now()
		w.Reset(b, a)
		for _, end := range []net.Conn{c, s} {
			if _, err := end.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read gives %v, want a reset", err)
			}
		}
		took(t, start, 0)
	})
}

func TestDialRefusedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		lan.SetLatency(time.Millisecond)
		a, b := w.Host("a", lan), w.Host("b", lan)
		start := time.Now()
		_, err := a.Dial(context.Background(), address(b.Addr(), 4000))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want connection refused", err)
		}
		took(t, start, 2*time.Millisecond)
	})
}

func TestDialToACutHostTimesOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		serve(t, b, 4000)
		w.Partition(a, b)
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := a.Dial(ctx, address(b.Addr(), 4000))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v, want a timeout", err)
		}
		took(t, start, 5*time.Second)

		start = time.Now()
		if _, err = a.Dial(context.Background(), address(b.Addr(), 4000)); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("without a deadline: got %v, want the kernel's timeout", err)
		}
		took(t, start, 127*time.Second)
	})
}

func TestDialGoesThroughOnceTheCutHeals(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		serve(t, b, 4000)
		w.Cut(b, a) // not even one direction is enough
		time.AfterFunc(2*time.Second, func() { w.Heal(a, b) })
		start := time.Now()
		dial(t, a, b.Addr(), 4000).Close()
		took(t, start, 3*time.Second) // the second retry
	})
}

func TestDialToAnUnusedAddress(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		a := w.Host("a", w.LAN("lan", "10.1.0.0/24"))
		start := time.Now()
		if _, err := a.Dial(context.Background(), "10.1.0.99:1"); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("on the LAN: %v, want no route to host", err)
		}
		took(t, start, 3*time.Second)
		if _, err := a.Dial(context.Background(), "10.2.0.1:1"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("elsewhere: %v, want network unreachable", err)
		}
		took(t, start, 3*time.Second)
	})
}

func TestACancelledDialLeavesNoConnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		lan.SetLatency(time.Second)
		a, b := w.Host("a", lan), w.Host("b", lan)
		accepted := serve(t, b, 4000)
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		if _, err := a.Dial(ctx, address(b.Addr(), 4000)); err == nil {
			t.Fatal("the dial ended before its answer could come")
		}
		if _, err := (<-accepted).Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the accepted end gives %v, want a reset", err)
		}
	})
}

func TestBytesStallDuringACutAndArriveAfter(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, s := pair(t, a, b)
		w.Cut(a, b)
		write(t, c, "late")
		write(t, s, "the other way is open")
		read(t, c, "the other way is open")
		s.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read through the cut: %v", err)
		}
		s.SetReadDeadline(time.Time{})
		w.Heal(a, b)
		read(t, s, "late")
	})
}

func TestDownStallsAndUpGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, s := pair(t, a, b)
		b.Down()
		if all := interfaces(t, b); len(all) != 1 || !all[0].Loopback {
			t.Errorf("interfaces of a host that is down: %v", all)
		}
		write(t, c, "while down")
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read while down: %v", err)
		}
		s.SetReadDeadline(time.Time{})
		b.Up()
		read(t, s, "while down")
	})
}

func TestCrashIsSilentUntilTheHostIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, s := pair(t, a, b)
		b.Crash()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a socket of a crashed host gives %v", err)
		}
		if _, err := b.Listen(context.Background(), netip.AddrPort{}); err == nil {
			t.Error("a crashed host opens sockets")
		}
		write(t, c, "hello?")
		c.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the crash was not silent: %v", err)
		}
		c.SetReadDeadline(time.Time{})
		b.Up()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the rebooted host answers with %v, want a reset", err)
		}
		serve(t, b, 4000)
		dial(t, a, b.Addr(), 4000).Close()
	})
}

func TestRenumberStallsOldConnections(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, s := pair(t, a, b)
		old := b.Addr()
		b.Renumber(lan)
		if b.Addr() == old || interfaces(t, b)[1].Has(old) {
			t.Fatal("the address is the old one")
		}
		write(t, c, "to the old address")
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read gives %v, want silence", err)
		}
		dial(t, a, b.Addr(), 4000).Close()
	})
}

func TestInterfacesComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		home, office := w.LAN("home", "10.1.0.0/24"), w.LAN("office", "10.2.0.0/24")
		a, b := w.Host("a", home), w.Host("b", office)
		serve(t, b, 4000)
		b.AddInterface(home)
		first := interfaces(t, b)[2]
		dial(t, a, first.Prefixes[0].Addr(), 4000).Close()
		b.RemoveInterface(home)
		if _, err := a.Dial(context.Background(), address(first.Prefixes[0].Addr(), 4000)); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("dialling the removed interface: %v", err)
		}
		b.AddInterface(home)
		if again := interfaces(t, b)[2]; again.Index == first.Index || again.Prefixes[0] == first.Prefixes[0] {
			t.Errorf("the new interface is the old one: %+v", again)
		}
	})
}

func TestS4_5_PortsInMemory(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		h := w.Host("a", w.LAN("lan", "10.1.0.0/24"))
		serve(t, h, 4000)
		for _, addr := range []string{"[::]:4000", "0.0.0.0:4000", "10.1.0.1:4000"} {
			_, err := h.Listen(context.Background(), netip.MustParseAddrPort(addr))
			if !errors.Is(err, sockets.ErrPortInUse) {
				t.Errorf("%s: got %v, want ErrPortInUse", addr, err)
			}
		}
		l, err := h.Listen(context.Background(), netip.AddrPort{})
		if err != nil || l.Addr().(*net.TCPAddr).Port == 0 {
			t.Errorf("port 0: %v, %v", l, err)
		}
	})
}

func TestDialByNameAndWithinAHost(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "10.1.0.0/24", "fd00:1::/64")
		a, b := w.Host("a", lan), w.Host("b", lan)
		accepted := serve(t, b, 4000)
		c, err := a.Dial(context.Background(), "b:4000")
		if err != nil {
			t.Fatal(err)
		}
		if got := (<-accepted).RemoteAddr().String(); got != c.LocalAddr().String() {
			t.Errorf("the ends disagree: %s and %s", got, c.LocalAddr())
		}
		for _, own := range []string{"localhost:4000", "127.0.0.1:4000", "[::1]:4000", "b:4000"} {
			c, err := b.Dial(context.Background(), own)
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, own)
			read(t, <-accepted, own)
		}
		if _, err := a.Dial(context.Background(), "nobody:4000"); err == nil {
			t.Error("an unknown name was resolved")
		}
		w.Host("hermit")
		if _, err := a.Dial(context.Background(), "hermit:4000"); err == nil {
			t.Error("a host without addresses was dialled")
		}
	})
}

func TestDialByLinkLocalAddress(t *testing.T) {
	bubble(t, func(t *testing.T, w *meshtest.World) {
		lan := w.LAN("lan", "fe80::/64")
		a, b := w.Host("a", lan), w.Host("b", w.LAN("other", "10.2.0.0/24"), lan)
		accepted := serve(t, b, 4000)
		to := interfaces(t, b)[2].Prefixes[0].Addr()
		dial(t, a, to.WithZone("eth0"), 4000)
		from := (<-accepted).RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if from.Zone() != "eth1" {
			t.Errorf("the dialler is %v, want the zone of the receiving interface, eth1", from)
		}
		if _, err := a.Dial(context.Background(), address(to, 4000)); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("without a zone: %v, want network unreachable", err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		lan := w.LAN("lan", "10.1.0.0/24")
		a, b := w.Host("a", lan), w.Host("b", lan)
		c, _ := pair(t, a, b)
		ends := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			ends <- err
		}()
		w2 := on(t, a, a.Addr())
		go func() {
			for range w2.heard {
			}
			ends <- net.ErrClosed
		}()
		w.Partition(a, b)
		go func() {
			_, err := a.Dial(context.Background(), address(b.Addr(), 4000))
			ends <- err
		}()
		synctest.Wait()
		w.Close()
		w.Close()
		for range 3 {
			if err := <-ends; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a blocked call ended with %v", err)
			}
		}
		if _, err := a.Dial(context.Background(), "b:1"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a dial in a closed world gives %v", err)
		}
	})
}
