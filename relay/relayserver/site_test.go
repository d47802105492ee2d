package relayserver_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
	"github.com/fernmesh/fernmesh/sockets"
)

// site is a relay in service and what its clients need.
type site struct {
	t         testing.TB
	server    *relayserver.Server
	listener  net.Listener
	host      sockets.Net // where the clients are
	authority string
	served    chan error // what Serve returned; closed then
}

// newSite starts a relay in an in-memory network.
// defaults is a Config of which all is left to its defaults.
func defaults() relayserver.Config { return relayserver.Config{} }

func newSite(t testing.TB, cfg relayserver.Config) *site {
	w := meshtest.NewWorld(1)
	t.Cleanup(w.Close)
	lan := w.LAN("internet", "10.0.0.0/8")
	return startSite(t, cfg, w.Host("relay", lan), w.Host("client", lan), "[::]:3376", "relay:3376")
}

// localSite starts a relay on the machine's loopback.
func localSite(t testing.TB, cfg relayserver.Config) *site {
	return startSite(t, cfg, sockets.System(), sockets.System(), "127.0.0.1:0", "")
}

func startSite(t testing.TB, cfg relayserver.Config, own, clients sockets.Net, listen, authority string) *site {
	t.Helper()
	l, err := own.Listen(context.Background(), netip.MustParseAddrPort(listen))
	if err != nil {
		t.Fatal(err)
	}
	if authority == "" {
		authority = l.Addr().String()
	}
	return serveSite(t, cfg, l, clients, authority)
}

func serveSite(t testing.TB, cfg relayserver.Config, l net.Listener, clients sockets.Net, authority string) *site {
	t.Helper()
	return serveSiteBy(t, cfg, l, clients, authority, func(s *relayserver.Server) error { return s.Serve(l) })
}

// serveSiteBy starts a relay that serves its listener in a way of its own.
func serveSiteBy(t testing.TB, cfg relayserver.Config, l net.Listener, clients sockets.Net, authority string, serve func(*relayserver.Server) error) *site {
	t.Helper()
	if cfg.Identity == nil {
		cfg.Identity = crypto.NewIdentity()
	}
	server, err := relayserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, server: server, listener: l, host: clients, authority: authority, served: make(chan error, 1)}
	go func() {
		s.served <- serve(server)
		close(s.served)
	}()
	t.Cleanup(s.close)
	return s
}

func (s *site) close() {
	s.server.Close()
	for err := range s.served {
		if err != relayserver.ErrClosed {
			s.t.Errorf("Serve: %v", err)
		}
	}
}

// network is the key of a network's members, which the relay never has.
func network() *crypto.Schedule { return crypto.Derive(crypto.GenerateKey(), "test") }

func (s *site) config(n *crypto.Schedule, h relay.Handler) relay.Config {
	return relay.Config{
		Address: relay.Address{Authority: s.authority}, Net: s.host, Handler: h,
		Room: func(id relay.ID) *crypto.Room { return n.Room(id) },
	}
}

// client is a relay.Client in Run.
type client struct {
	*relay.Client
	*events
	ended chan error // what Run returned; closed then
}

func (s *site) join(n *crypto.Schedule) client {
	s.t.Helper()
	return s.joinWith(s.config(n, nil))
}

func (s *site) joinWith(cfg relay.Config) client {
	s.t.Helper()
	e := newEvents()
	cfg.Handler = e
	c, err := relay.Connect(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	k := client{c, e, make(chan error, 1)}
	go func() {
		k.ended <- c.Run()
		close(k.ended)
	}()
	s.t.Cleanup(func() {
		c.Close(nil)
		for range k.ended {
		}
	})
	return k
}
