package fernprom

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network makes nodes that find each other on loopback.
func network(t *testing.T) func(name string) *node.Node {
	t.Helper()
	keys := crypto.Ring(crypto.GenerateKey())
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return func(name string) *node.Node {
		t.Helper()
		n, err := node.New(node.Config{
			Name: name, Network: "counted", Keys: keys, AdvertPort: port,
			Interfaces: []string{"lo*"}, Listen: "127.0.0.1:0", NoMDNS: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := n.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
		return n
	}
}

func handle(t *testing.T, n *node.Node, path string) {
	t.Helper()
	if err := n.Commands().Handle(path, func(context.Context, *commands.Call) (any, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, n *node.Node, target, path string) {
	t.Helper()
	if _, err := n.Call(t.Context(), target, path); err != nil {
		t.Fatal(err)
	}
}

// expect compares the metrics of a collector that are named.
func expect(t *testing.T, c *Collector, text string, names ...string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(strings.Join(lines, "\n")+"\n"), names...); err != nil {
		t.Error(err)
	}
}

func TestCountersReachPrometheus(t *testing.T) {
	start := network(t)
	a, b := start("a"), start("b")
	handle(t, b, "lights.set")
	for range 3 {
		call(t, a, "b", "lights.set")
	}
	if _, err := a.Call(t.Context(), "b", "no.such"); err == nil {
		t.Fatal("no error")
	}
	c := New(b)
	expect(t, c, `
		# HELP fernmesh_requests_total Calls received from other nodes, repeats and refused ones included.
		# TYPE fernmesh_requests_total counter
		fernmesh_requests_total 4
		# HELP fernmesh_results_total Answers sent to other nodes, by class.
		# TYPE fernmesh_results_total counter
		fernmesh_results_total{class="caller_error"} 1
		fernmesh_results_total{class="ok"} 3
		fernmesh_results_total{class="refused"} 0
		fernmesh_results_total{class="server_error"} 0
		# HELP fernmesh_command_calls_total Calls of a command that ended.
		# TYPE fernmesh_command_calls_total counter
		fernmesh_command_calls_total{command="lights.set"} 3
		# HELP fernmesh_peer_links Links with a peer that are open now.
		# TYPE fernmesh_peer_links gauge
		fernmesh_peer_links{peer="a"} 1
	`, "fernmesh_requests_total", "fernmesh_results_total", "fernmesh_command_calls_total", "fernmesh_peer_links")
	if got := value(t, c, "fernmesh_peer_messages_total", "a", "in", "request"); got != 4 {
		t.Errorf("%v requests of a, want 4", got)
	}
	if got := value(t, c, "fernmesh_peer_messages_total", "a", "out", "answer"); got != 4 {
		t.Errorf("%v answers to a, want 4", got)
	}
	if got := value(t, c, "fernmesh_peer_bytes_total", "a", "in"); got < 4*50 {
		t.Errorf("%v bytes of a", got)
	}
}

// value is the sample of a metric whose labels have the values given.
func value(t *testing.T, c *Collector, name string, want ...string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			found := 0
			for _, l := range m.GetLabel() {
				for _, w := range want {
					if l.GetValue() == w {
						found++
					}
				}
			}
			if family.GetName() == name && found == len(want) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s with %v", name, want)
	return 0
}

// Peers and commands beyond the bounds, nameless ones, and those that are called
// "other" are shown together; who has a label keeps it.
func TestLabelsAreBounded(t *testing.T) {
	start := network(t)
	b := start("b")
	c := New(b, MaxPeers(2), MaxCommands(3))
	for i := range 5 {
		path := fmt.Sprint("c", 4-i)
		handle(t, b, path)
		call(t, b, "b", path)
		if i == 2 { // c2, c3 and c4 have their labels now
			testutil.CollectAndCount(c)
		}
	}
	handle(t, b, "other")
	call(t, b, "b", "other")
	expect(t, c, `
		# HELP fernmesh_command_calls_total Calls of a command that ended.
		# TYPE fernmesh_command_calls_total counter
		fernmesh_command_calls_total{command="c2"} 1
		fernmesh_command_calls_total{command="c3"} 1
		fernmesh_command_calls_total{command="c4"} 1
		fernmesh_command_calls_total{command="other"} 3
	`, "fernmesh_command_calls_total")
	for _, name := range []string{"x", "y", "z", "other"} {
		call(t, start(name), "b", "c0")
	}
	expect(t, c, `
		# HELP fernmesh_peer_links Links with a peer that are open now.
		# TYPE fernmesh_peer_links gauge
		fernmesh_peer_links{peer="other"} 2
		fernmesh_peer_links{peer="x"} 1
		fernmesh_peer_links{peer="y"} 1
	`, "fernmesh_peer_links")
	if got := value(t, c, "fernmesh_peer_messages_total", "other", "in", "request"); got != 2 {
		t.Errorf("%v requests of the others, want 2", got)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	start := network(t)
	b := start("b")
	handle(t, b, "x")
	call(t, b, "b", "x")
	problems, err := testutil.CollectAndLint(New(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A collector can be asked whatever the node does.
func TestANodeThatIsNotUp(t *testing.T) {
	n, err := node.New(node.Config{Name: "b", Network: "counted", Keys: crypto.Ring(crypto.GenerateKey())})
	if err != nil {
		t.Fatal(err)
	}
	if got := testutil.CollectAndCount(New(n)); got != len(nodeMetrics)+4 {
		t.Errorf("%d series, want those of the node alone", got)
	}
}
