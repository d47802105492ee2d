package relayserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
	"github.com/fernmesh/fernmesh/sockets"
)

// What comes in one piece is forwarded together, but each frame to its receiver,
// in its order, and nothing after GONE comes before it.
func TestFramesOfOneReadGoToTheirReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a, b, c := s.rawMember(n), s.rawMember(n), s.rawMember(n)
		a.want(up(b.self), up(c.self))
		b.want(up(a.self), up(c.self))
		known := []string{c.next(), c.next()} // in no order
		if !slices.Contains(known, up(a.self)) || !slices.Contains(known, up(b.self)) {
			t.Fatalf("the third was told %q", known)
		}
		var frames []byte
		send := func(to relay.Addr, id byte, size int) {
			frames = relay.AppendSend(frames, relay.Record{Peer: to, Session: relay.SessionID{id}, Body: make([]byte, size)})
		}
		send(b.self, 1, 10)
		send(b.self, 2, 20)
		send(c.self, 3, 30)
		send(relay.Addr{1}, 4, 40) // nobody
		send(b.self, 1, 11)
		frames = relay.AppendGone(frames, relay.Gone{Peer: b.self, Session: relay.SessionID{1}, Code: relay.GoneClosed})
		send(b.self, 2, 21)
		send(relay.Addr{1}, 4, 41) // it was told of that session
		send(c.self, 3, 31)
		a.send(frames)
		b.want(recv(a.self, 1, 10), recv(a.self, 2, 20), recv(a.self, 1, 11), gone(a.self, 1, relay.GoneClosed), recv(a.self, 2, 21))
		c.want(recv(a.self, 3, 30), recv(a.self, 3, 31))
		a.send(relay.AppendPing(nil, relay.Echo{9}))
		a.want(gone(relay.Addr{1}, 4, relay.GoneAbsent), "PONG 0900000000000000")
		if st := s.server.Stats(); st.Records != 6 || st.Bytes != 10+20+30+11+21+31 || st.Absent != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// secureSite is localSite with TLS of the relay's own.
func secureSite(t testing.TB, cfg relayserver.Config) (*site, *tls.Config) {
	t.Helper()
	l, err := sockets.System().Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	own, clients := certify(t, "relay")
	s := serveSiteBy(t, cfg, l, sockets.System(), l.Addr().String(), func(s *relayserver.Server) error { return s.ServeTLS(l, own) })
	return s, clients
}

// onLoopback runs a test on the machine's own TCP, without and with TLS.
func onLoopback(t *testing.T, cfg relayserver.Config, test func(t *testing.T, s *site, member func() *raw)) {
	n := network()
	t.Run("plain", func(t *testing.T) {
		s := localSite(t, cfg)
		test(t, s, func() *raw { return s.rawMember(n) })
	})
	t.Run("tls", func(t *testing.T) {
		s, clients := secureSite(t, cfg)
		test(t, s, func() *raw {
			k := s.dialRaw()
			err := k.secure(clients)
			if err == nil {
				err = k.upgrade()
			}
			if err == nil {
				err = k.enter(n, s.authority)
			}
			if err != nil {
				t.Fatal(err)
			}
			return k
		})
	})
}

// What a connection does not take at once follows when it does, whole and in
// order.
func TestAReceiverThatPausesGetsAll(t *testing.T) {
	onLoopback(t, patient(), func(t *testing.T, s *site, member func() *raw) {
		slow, a := member(), member()
		const count, size = 100, 15 << 10 // the queue holds less than that, with its blocks
		go func() {
			body := make([]byte, size)
			for i := range count {
				binary.BigEndian.PutUint32(body, uint32(i))
				a.send(relay.AppendSend(nil, relay.Record{Peer: slow.self, Session: relay.SessionID{1}, Body: body}))
			}
		}()
		for s.server.Stats().Records < count {
			time.Sleep(time.Millisecond)
			if t.Context().Err() != nil {
				return
			}
		}
		slow.want(up(a.self))
		for i := range count {
			_ = slow.conn.SetReadDeadline(time.Now().Add(time.Minute))
			typ, body, err := slow.frames.Next(relay.ToClient)
			if err != nil || typ != relay.FrameRecv {
				t.Fatalf("record %d: %v, %v", i, typ, err)
			}
			r, _ := relay.ParseRecord(body)
			if got := binary.BigEndian.Uint32(r.Body); got != uint32(i) || len(r.Body) != size || !bytes.Equal(r.Body[4:], make([]byte, size-4)) {
				t.Fatalf("record %d: number %d of %d bytes", i, got, len(r.Body))
			}
		}
		if st := s.server.Stats(); st.QueueBytes != 0 || st.Overflows != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A member that goes silent is cut on real connections too, whose deadline is not
// moved with every read.
func TestSilentMemberOnLoopback(t *testing.T) {
	cfg := relayserver.Config{Timers: relayserver.Timers{Ping: 80 * time.Millisecond}}
	onLoopback(t, cfg, func(t *testing.T, s *site, member func() *raw) {
		k, start := member(), time.Now()
		var last time.Time
		for i := range byte(4) { // more than silence in all
			k.send(relay.AppendPing(nil, relay.Echo{i}))
			last = time.Now()
			if f := k.next(); f[:4] != "PONG" {
				t.Fatalf("%q after %v", f, time.Since(start))
			}
			time.Sleep(70 * time.Millisecond)
		}
		for f := k.next(); f[:3] != "end"; f = k.next() {
		}
		if d := time.Since(last); d < 200*time.Millisecond {
			t.Errorf("cut %v after its last word", d)
		}
		if st := s.server.Stats(); st.Silent != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// counted counts the writes to the connections of a listener.
type counted struct {
	net.Listener
	writes atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{c, l}, nil
}

type countedConn struct {
	net.Conn
	of *counted
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	return c.Conn.Write(p)
}

// Members that join one soon after the other are told of each other in a few writes each, not in
// one for each of the others.
func TestNewsOfManyJoinsGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.0.0.0/8")
		l, err := w.Host("relay", lan).Listen(context.Background(), netip.MustParseAddrPort("[::]:3376"))
		if err != nil {
			t.Fatal(err)
		}
		c := &counted{Listener: l}
		s, n := serveSite(t, defaults(), c, w.Host("client", lan), "relay:3376"), network()
		const members = 128
		met := make(chan error)
		start := time.Now()
		for range members {
			k := s.rawMember(n)
			go func() { met <- k.meet(members - 1) }()
			time.Sleep(100 * time.Microsecond)
		}
		for range members {
			if err := <-met; err != nil {
				t.Fatal(err)
			}
		}
		if n := c.writes.Load(); n > 20*members {
			t.Errorf("%d writes for %d members", n, members)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("they know each other after %v", d)
		}
	})
}
