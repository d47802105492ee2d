package fernotel

import (
	"context"
	"net"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a network of instrumented nodes on loopback, whose spans it collects.
type lab struct {
	t     *testing.T
	keys  crypto.KeyRing
	spans *tracetest.InMemoryExporter
}

func newLab(t *testing.T) *lab {
	return &lab{t: t, keys: crypto.Ring(crypto.GenerateKey()), spans: tracetest.NewInMemoryExporter()}
}

// tracers is a provider that records into the lab.
func (l *lab) tracers(opts ...sdktrace.TracerProviderOption) *sdktrace.TracerProvider {
	p := sdktrace.NewTracerProvider(append(opts, sdktrace.WithSyncer(l.spans))...)
	l.t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // nothing is left to export
	return p
}

// relay starts a relay server and returns its address.
func (l *lab) relay() string {
	l.t.Helper()
	server, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		l.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	l.t.Cleanup(func() { server.Close(); <-served })
	return listener.Addr().String()
}

// start brings a node up, with a provider of its own unless opts name one.
func (l *lab) start(name string, set func(*node.Config), opts ...Option) *node.Node {
	l.t.Helper()
	cfg := node.Config{Name: name, Network: "traced", Keys: l.keys}
	set(&cfg)
	if len(opts) == 0 {
		opts = []Option{WithTracerProvider(l.tracers())}
	}
	Instrument(&cfg, opts...)
	n, err := node.New(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			l.t.Error(err)
		}
	})
	return n
}

// far makes nodes that know nothing but a relay.
func far(relay string) func(*node.Config) {
	return func(c *node.Config) { c.NoLAN, c.Relays = true, []string{relay} }
}

// near makes nodes that find each other on loopback.
func near(t *testing.T) func(*node.Config) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := c.LocalAddr().(*net.UDPAddr).Port
	return func(c *node.Config) {
		c.Interfaces, c.Listen, c.AdvertPort, c.NoMDNS = []string{"lo*"}, "127.0.0.1:0", port, true
	}
}

// of finds the one span that a node made of a command.
func (l *lab) of(kind string, path, server string) tracetest.SpanStub {
	l.t.Helper()
	var found []tracetest.SpanStub
	for _, s := range l.spans.GetSpans() {
		if s.SpanKind.String() == kind && s.Name == path && value(s, "server.address") == server {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		l.t.Fatalf("%d %s spans of %s on %s; want one", len(found), kind, path, server)
	}
	return found[0]
}

// value is an attribute of a span as text.
func value(s tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}
