package relayserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// closed waits for a connection's end without a word, and returns after how long.
func (k *raw) closed() time.Duration {
	k.t.Helper()
	start := time.Now()
	_ = k.conn.SetReadDeadline(start.Add(time.Minute))
	if b, err := io.ReadAll(k.conn); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(b) > 0 {
		k.t.Errorf("got %q, %v", b, err)
	}
	return time.Since(start)
}

// R27: a request that comes slowly, is too large or never ends is cut in time.
func TestR27_SlowAndLargeRequests(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		first  string
		slowly string
		within time.Duration
	}{
		"silence":         {"", "", 5 * second},
		"a byte a second": {"", request, 5 * second},
		"no end":          {"GET /fernmesh/1 HTTP/1.1\r\n", "", 5 * second},
		"slow headers":    {"GET /fernmesh/1 HTTP/1.1\r\n", strings.Repeat("a: b\r\n", 100), 5 * second},
		"no JOIN":         {request, "", 10 * second},
		"slow JOIN":       {request, string(relay.AppendJoin(nil, relay.Join{Host: "h"})), 10 * second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, defaults())
			k := s.dialRaw()
			start := time.Now()
			k.send([]byte(c.first))
			go func() {
				for i := range c.slowly {
					time.Sleep(900 * time.Millisecond)
					if _, err := io.WriteString(k.conn, c.slowly[i:i+1]); err != nil {
						return
					}
				}
			}()
			_, _ = io.Copy(io.Discard, k.conn)
			if d := time.Since(start); d > c.within+10*time.Millisecond || d < c.within-10*time.Millisecond {
				t.Errorf("%s: cut after %v, want %v", name, d, c.within)
			}
			synctest.Wait()
			if st := s.server.Stats(); st.Connections != 0 || st.HalfOpen != 0 {
				t.Errorf("%s: %+v", name, st)
			}
			_ = k.conn.Close()
			time.Sleep(time.Second) // the slow writer sees it
		})
	}
}

// R26, in small: connections that say nothing are bounded, do not keep a good
// client out, and are gone in time.
func TestR26_SilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, relayserver.Config{Limits: relayserver.Limits{HalfOpen: 20, HalfOpenPerIP: 1000, ConnectionsPerIP: 1000}})
		for range 200 {
			s.dialRaw()
		}
		synctest.Wait()
		if st := s.server.Stats(); st.HalfOpen != 20 || st.Connections != 20 || st.Turned != 180 {
			t.Errorf("%+v", st)
		}
		start := time.Now()
		_ = s.rawMember(network())
		if d := time.Since(start); d > time.Second {
			t.Errorf("a good client joins after %v", d)
		}
		time.Sleep(5*time.Second + 10*time.Millisecond)
		if st := s.server.Stats(); st.HalfOpen != 0 || st.Connections != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Limits per address: of connections, of half-open ones and of joins a second.
// Other addresses are not concerned.
func TestLimitsPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.0.0.0/8")
		own := w.Host("relay", lan)
		cfg := relayserver.Config{Limits: relayserver.Limits{ConnectionsPerIP: 4, HalfOpenPerIP: 2, JoinsPerIP: 3}}
		s := startSite(t, cfg, own, w.Host("client", lan), "[::]:3376", "relay:3376")
		n := network()
		a, b := s.dialRaw(), s.dialRaw()
		if d := s.dialRaw().closed(); d > 0 {
			t.Errorf("a third half-open connection stays %v", d)
		}
		for _, k := range []*raw{a, b} {
			if err := errors.Join(k.upgrade(), k.enter(n, s.authority)); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.rawMember(n)
		wantRefused(t, s.dialRaw().upgrade(), relay.RefusedRate)
		s.host = w.Host("other", lan)
		_ = s.rawMember(n)
		s.host = own // its own address is none of loopback, but another one
		_ = s.rawMember(n)
		time.Sleep(time.Second)
		s.authority = "localhost:3376"
		for range 10 {
			_ = s.rawMember(n)
		}
	})
}

// Rooms, their members and connections are bounded, and who comes later is told.
func TestFullRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, relayserver.Config{Limits: relayserver.Limits{Rooms: 2, RoomMembers: 2, Connections: 5}})
		n := network()
		_, b := s.rawMember(n), s.rawMember(n)
		k := s.dialRaw()
		if err := k.upgrade(); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, k.enter(n, s.authority), relay.RefusedFull)
		c := s.rawMember(network())
		k = s.dialRaw()
		if err := k.upgrade(); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, k.enter(network(), s.authority), relay.RefusedFull)
		_ = b.conn.Close()
		_ = c.conn.Close() // and with its last member the room goes
		synctest.Wait()
		_, _, _, _ = s.rawMember(n), s.rawMember(network()), s.dialRaw(), s.dialRaw()
		synctest.Wait()
		if d := s.dialRaw().closed(); d > 0 {
			t.Errorf("a sixth connection stays %v", d)
		}
	})
}

// failing is a listener that is out of file descriptors for a while.
type failing struct {
	net.Listener
	left  atomic.Int64
	tries atomic.Int64
}

func (l *failing) Accept() (net.Conn, error) {
	l.tries.Add(1)
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// R45: out of file descriptors the relay waits, up to a second at a time, and
// goes on when there are some again.
func TestR45_AcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.0.0.0/8")
		inner, err := w.Host("relay", lan).Listen(context.Background(), netip.MustParseAddrPort("[::]:3376"))
		if err != nil {
			t.Fatal(err)
		}
		l := &failing{Listener: inner}
		l.left.Store(60)
		s := serveSite(t, defaults(), l, w.Host("client", lan), "relay:3376")
		time.Sleep(30 * time.Second)
		if n := l.tries.Load(); n > 45 || n < 30 {
			t.Errorf("%d tries in 30 s", n)
		}
		time.Sleep(30 * time.Second)
		_ = s.rawMember(network())
	})
}

// A member that floods its presence is slowed down, and what comes last counts.
func TestPresenceFloodIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a, b := s.rawMember(n), s.rawMember(n)
		a.want(up(b.self))
		start := time.Now()
		for i := range 100 {
			b.send(relay.AppendCast(nil, []byte{'a' + byte(i%26)}))
		}
		b.send(relay.AppendCast(nil, []byte("last")))
		for a.next() != "CASTED "+b.self.String()+" last" {
		}
		if d := time.Since(start); d < 10*time.Second || d > 12*time.Second {
			t.Errorf("101 changes took %v", d)
		}
	})
}
