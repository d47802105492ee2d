package fernprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fernmesh/fernmesh/node"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fernmesh_"+name, help, labels, nil)
}

// nodeMetrics are the figures of the node without labels.
var nodeMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*node.Stats) float64
}{
	{desc("requests_total", "Calls received from other nodes, repeats and refused ones included."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.Requests) }},
	{desc("unknown_answers_total", "Answers received for no call."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.UnknownAnswers) }},
	{desc("calls_total", "Calls made from this node."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.Calls) }},
	{desc("calls_failed_total", "Calls made from this node that ended with an error."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.CallsFailed) }},
	{desc("call_retries_total", "Calls of this node that were sent again after a broken path."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.Retries) }},
	{desc("links_accepted_total", "Links made by other nodes."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.LinksAccepted) }},
	{desc("links_dialed_total", "Links made by this node."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.LinksDialed) }},
	{desc("dials_failed_total", "Attempts of this node to make a link that failed."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.DialsFailed) }},
	{desc("overloaded_total", "Calls of other nodes refused for want of room."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.Overloaded) }},
	{desc("policy_denied_total", "Calls that the policy denied."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.PolicyDenied) }},
	{desc("events_lost_total", "Events dropped for slow readers."), prometheus.CounterValue,
		func(s *node.Stats) float64 { return float64(s.EventsLost) }},
	{desc("running", "Calls of other nodes that run now."), prometheus.GaugeValue,
		func(s *node.Stats) float64 { return float64(s.Running) }},
	{desc("waiting", "Calls of other nodes that wait for their turn now."), prometheus.GaugeValue,
		func(s *node.Stats) float64 { return float64(s.Waiting) }},
	{desc("argument_bytes", "Bytes of the arguments of calls that run or wait now."), prometheus.GaugeValue,
		func(s *node.Stats) float64 { return float64(s.ArgumentBytes) }},
}

// The figures with labels.
var (
	results = desc("results_total", "Answers sent to other nodes, by class.", "class")

	peerMessages = desc("peer_messages_total", "Messages from and to a peer, by kind.", "peer", "direction", "kind")
	peerBytes    = desc("peer_bytes_total", "Sealed bytes from and to a peer.", "peer", "direction")
	peerStrays   = desc("peer_unknown_answers_total", "Answers from a peer for no call.", "peer")
	peerLinks    = desc("peer_links", "Links with a peer that are open now.", "peer")

	commandCalls   = desc("command_calls_total", "Calls of a command that ended.", "command")
	commandErrors  = desc("command_errors_total", "Calls of a command that ended with an error.", "command")
	commandSeconds = desc("command_seconds_total", "Time of all calls of a command that ended.", "command")
	commandRunning = desc("command_running", "Calls of a command that run now.", "command")
)

func collectPeer(ch chan<- prometheus.Metric, peer string, s node.PeerStat) {
	for direction, m := range map[string]node.MessageCounts{"in": s.In, "out": s.Out} {
		for kind, count := range map[string]uint64{
			"hello": m.Hello, "hello_ack": m.HelloAck, "ping": m.Ping, "pong": m.Pong, "bye": m.Bye, "bye_ack": m.ByeAck,
			"request": m.Requests, "answer": m.Answers, "chunk": m.Chunks,
		} {
			ch <- counter(peerMessages, float64(count), peer, direction, kind)
		}
		ch <- counter(peerBytes, float64(m.Bytes), peer, direction)
	}
	ch <- counter(peerStrays, float64(s.UnknownAnswers), peer)
	ch <- gauge(peerLinks, float64(s.Links), peer)
}

func collectCommand(ch chan<- prometheus.Metric, command string, s node.CommandStat) {
	ch <- counter(commandCalls, float64(s.Calls), command)
	ch <- counter(commandErrors, float64(s.Errors), command)
	ch <- counter(commandSeconds, s.Total.Seconds(), command)
	ch <- gauge(commandRunning, float64(s.Running), command)
}

func addPeers(a, b node.PeerStat) node.PeerStat {
	a.Links += b.Links
	a.UnknownAnswers += b.UnknownAnswers
	a.In, a.Out = addMessages(a.In, b.In), addMessages(a.Out, b.Out)
	return a
}

func addMessages(a, b node.MessageCounts) node.MessageCounts {
	return node.MessageCounts{
		Hello: a.Hello + b.Hello, HelloAck: a.HelloAck + b.HelloAck, Ping: a.Ping + b.Ping, Pong: a.Pong + b.Pong,
		Bye: a.Bye + b.Bye, ByeAck: a.ByeAck + b.ByeAck, Requests: a.Requests + b.Requests, Answers: a.Answers + b.Answers,
		Chunks: a.Chunks + b.Chunks, Bytes: a.Bytes + b.Bytes,
	}
}

// addCommands adds up what is shown of commands.
func addCommands(a, b node.CommandStat) node.CommandStat {
	a.Calls += b.Calls
	a.Errors += b.Errors
	a.Running += b.Running
	a.Total += b.Total
	return a
}
