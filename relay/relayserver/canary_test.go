package relayserver_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// book is a log that a test reads.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// S4-30: at the most talkative level, a relay that forwards, refuses, overflows,
// cuts and drains writes no room, address, token, host or peer IP.
func TestS4_30_LogHoldsNothingOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		t.Cleanup(w.Close)
		lan := w.LAN("internet", "10.77.0.0/16")
		clients := w.Host("client", lan)
		log := &book{}
		cfg := relayserver.Config{PublicHosts: []string{"relay"}, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))}
		s := startSite(t, cfg, w.Host("relay", lan), clients, "[::]:3376", "relay:3376")
		n := network()
		a, b := s.rawMember(n), s.rawMember(n)
		b.send(relay.AppendCast(nil, []byte("canary-token")))
		for range 1000 {
			b.record(a.self, 1, 200)
		}
		k := s.dialRaw()
		if err := k.upgrade(); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, k.enter(n, "canary-host:1"), relay.RefusedHost)
		s.dialRaw().send([]byte("GET /canary-path HTTP/1.1\r\n\r\n"))
		a.send([]byte{0xee, 0, 0, 0, 0})
		go func() {
			for range 100 {
				b.record(s.rawMember(n).self, 2, wire.MaxPlain) // who does not read
			}
		}()
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.server.Drain(ctx)
		synctest.Wait()
		room := n.Room(s.server.ID()).ID()
		for _, secret := range []string{
			"canary", "10.77.", clients.Addr().String(), hex.EncodeToString(room[:]), a.self.String(), b.self.String(),
			string(room[:]), string(a.self[:]),
		} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

// The one thing that is logged of the network is a listener's failure, without
// the addresses in it.
func TestAcceptErrorsAreLoggedWithoutAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		l := broken{}
		cfg := relayserver.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
		serveSite(t, cfg, l, nil, "")
		time.Sleep(10 * time.Second)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "cannot accept") || strings.Contains(text, "192.0.2") {
			t.Errorf("the log holds %q", text)
		}
	})
}

// broken is a listener that only fails.
type broken struct{}

func (l broken) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Source: l.Addr(), Err: net.UnknownNetworkError("no")}
}
func (l broken) Close() error   { return nil }
func (l broken) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
