package fernprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fernmesh/fernmesh/node"
)

// Defaults of the bounds.
const (
	DefaultMaxPeers    = 100
	DefaultMaxCommands = 200
)

// Option changes the bounds of a Collector.
type Option func(*Collector)

// MaxPeers sets how many peers have series of their own, 22 each (100). 0
// or less puts all under "other".
func MaxPeers(most int) Option { return func(c *Collector) { c.peers.most = most } }

// MaxCommands sets how many commands have series of their own, 4 each (200). 0 or
// less puts all under "other".
func MaxCommands(most int) Option { return func(c *Collector) { c.commands.most = most } }

// Collector reads the counters of a node when Prometheus asks. It is safe for
// concurrent use, before the node starts and after it is shut down.
type Collector struct {
	node     *node.Node
	peers    labels
	commands labels
}

var _ prometheus.Collector = (*Collector)(nil)

// New makes a Collector of a node.
func New(n *node.Node, opts ...Option) *Collector {
	c := &Collector{node: n, peers: labels{most: DefaultMaxPeers}, commands: labels{most: DefaultMaxCommands}}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range nodeMetrics {
		ch <- m.desc
	}
	for _, d := range []*prometheus.Desc{
		results, peerMessages, peerBytes, peerStrays, peerLinks,
		commandCalls, commandErrors, commandSeconds, commandRunning,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.node.Stats()
	for _, m := range nodeMetrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&stats))
	}
	for class, count := range map[string]uint64{
		"ok": stats.Results.OK, "caller_error": stats.Results.CallerErrors,
		"server_error": stats.Results.ServerErrors, "refused": stats.Results.Refused,
	} {
		ch <- counter(results, float64(count), class)
	}
	for peer, s := range merged(&c.peers, c.node.PeerStats(), addPeers) {
		collectPeer(ch, peer, s)
	}
	for command, s := range merged(&c.commands, c.node.CommandStats(), addCommands) {
		collectCommand(ch, command, s)
	}
}

func counter(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
