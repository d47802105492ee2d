package node

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
)

// knock opens a connection to the node's port and sends what a stranger sends.
func knock(t *testing.T, from *meshtest.Host, to *Node, host *meshtest.Host, say []byte) net.Conn {
	t.Helper()
	conn, err := from.Dial(t.Context(), address(host, to))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	if _, err := conn.Write(say); err != nil {
		t.Fatalf("write: %v", err)
	}
	return conn
}

func TestR26_SilentConnectionsAreCutAndGoodPeersUnaffected(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b", func(c *Config) { c.Limits.HalfOpen = 16 })
		evil := m.host("evil")
		knocks := 2000
		if *long {
			knocks = 20_000
		}
		for range knocks {
			knock(t, evil, b, hb, nil)
		}
		synctest.Wait()
		if held := b.Stats().HalfOpen; held > 16 || held > b.cfg.Limits.HalfOpenPerIP {
			t.Errorf("%d half-open connections from one address", held)
		}
		if b.Stats().CutHalfOpen == 0 {
			t.Error("no counter tells that connections were cut")
		}
		a := m.start("a")
		start := time.Now()
		wantOK(t, a, "b")
		if took := time.Since(start); took > time.Second {
			t.Errorf("a good peer needed %v", took)
		}
		time.Sleep(6 * time.Second)
		if held := b.Stats().HalfOpen; held != 0 {
			t.Errorf("%d half-open connections outlived the handshake's time", held)
		}
	})
}

func TestR27_SlowlorisEndsAtTheAbsoluteDeadline(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b", func(c *Config) { c.Limits.HalfOpen, c.Limits.HalfOpenPerIP = 4000, 4000 })
		evil := m.host("evil")
		slow := 200
		if *long {
			slow = 2000
		}
		ended := make(chan time.Duration, slow)
		for range slow {
			conn := knock(t, evil, b, hb, []byte{0, 0, 0, 112})
			start := time.Now()
			go func() {
				for _, err := conn.Write([]byte{1}); err == nil; _, err = conn.Write([]byte{1}) {
					time.Sleep(time.Second) // a byte a second, for ever
				}
			}()
			go func() {
				if got, _ := io.ReadAll(conn); len(got) != 0 {
					t.Errorf("the stranger got %d bytes", len(got))
				}
				ended <- time.Since(start)
				_ = conn.Close()
			}()
		}
		a := m.start("a")
		wantOK(t, a, "b")
		for range slow {
			if took := <-ended; took > 5100*time.Millisecond {
				t.Errorf("a slow connection lived %v", took)
			}
		}
		time.Sleep(2 * time.Second) // until the last writer has noticed
		if b.Stats().HalfOpen != 0 {
			t.Errorf("%d half-open connections are left", b.Stats().HalfOpen)
		}
	})
}

func TestStrangersGetNoByteAndAreSlowedDown(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b")
		evil := m.host("evil")
		garbage := append([]byte{0, 0, 0, 112}, make([]byte, 112)...)
		for range 30 {
			conn := knock(t, evil, b, hb, garbage)
			if got, _ := io.ReadAll(conn); len(got) != 0 {
				t.Fatalf("a bad first message was answered with %d bytes", len(got))
			}
		}
		if b.Stats().RefusedSource == 0 {
			t.Error("30 failures in no time did not slow the source down")
		}
		if len(b.Stats().Handshakes) == 0 {
			t.Error("no counter tells why the handshakes were refused")
		}
		wantOK(t, m.start("a"), "b")
		time.Sleep(5 * time.Second)
		refused := b.Stats().RefusedSource
		knock(t, evil, b, hb, garbage)
		synctest.Wait()
		if b.Stats().RefusedSource != refused {
			t.Error("the source did not recover")
		}
	})
}

func TestR14_ReflectionAndDiallingOneselfNeverOpenASession(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b", func(c *Config) { c.Listen = ":4000"; c.Peers = []string{"127.0.0.1:4000"} })
		time.Sleep(10 * time.Second)
		if b.Stats().LinksDialed != 0 || b.Stats().LinksAccepted != 0 || len(b.Peers()) != 0 {
			t.Errorf("a session with oneself came up: %+v", b.Stats())
		}
	})
}

func TestLimitsLinks(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.start("b", func(c *Config) { c.Limits.Links = 2 })
		first, second := m.start("c"), m.start("d")
		wantOK(t, first, "b")
		wantOK(t, second, "b")
		third := m.start("e")
		if _, err := third.Call(t.Context(), "b", "__echo__"); err == nil {
			t.Error("a third link was taken")
		}
		wantOK(t, first, "b")
	})
}
