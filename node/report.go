package node

import (
	"encoding/json"
	"time"
)

// StatsJSON returns what the node counted, as the JSON object that the command
// __stats__ answers with: the counters, peers, commands and periods, without the
// history. docs/operating.md explains its keys.
func (n *Node) StatsJSON() ([]byte, error) { return json.Marshal(n.report("")) }

// report is the value of __stats__: the node's counters, and the figures of the
// commands at and below path. Without a path it is about peers too.
func (n *Node) report(path string) map[string]any {
	out := n.statistics()
	out["node"], out["time"] = n.Name(), time.Now().UTC().Round(time.Millisecond)
	n.addCommands(out, path)
	if path != "" {
		return out
	}
	n.addPeers(out)
	out["recent"] = n.Recent().value()
	p := n.Periods()
	out["periods"] = map[string]any{"1m": p.Minute.value(), "5m": p.FiveMinutes.value(), "15m": p.QuarterHour.value()}
	return out
}

func (n *Node) addCommands(out map[string]any, path string) {
	perCommand := map[string]any{}
	for path, s := range n.tallies.stats(path) {
		if path == OtherCommands {
			out["other"] = s.value()
			continue
		}
		perCommand[path] = s.value()
	}
	out["commands"] = perCommand
}

func (n *Node) addPeers(out map[string]any) {
	peers := map[string]any{}
	for name, s := range n.PeerStats() {
		if name == OtherPeers {
			out["other_peers"] = s.value()
			continue
		}
		peers[name] = s.value()
	}
	out["peers"] = peers
}

// value is the form in which the figures of a command travel.
func (s CommandStat) value() map[string]any {
	v := map[string]any{
		"calls": s.Calls, "errors": s.Errors, "running": s.Running,
		"mean_ms": milliseconds(s.Mean), "p99_ms": milliseconds(s.P99), "total_ms": milliseconds(s.Total),
		"recent": s.Recent.value(),
	}
	if e := s.LastError; e != nil {
		v["last_error"] = map[string]any{"code": e.Code.String(), "text": e.Text, "time": e.Time.UTC().Round(time.Millisecond)}
	}
	return v
}

func (r Recent) value() map[string]any {
	return map[string]any{
		"items": r.Items, "response_ms": milliseconds(r.Response), "work_ms": milliseconds(r.Work),
		"capacity_per_second": r.Capacity, "arrivals_per_second": r.Arrivals,
	}
}

func (s PeerStat) value() map[string]any {
	return map[string]any{
		"links": s.Links, "in": s.In.value(), "out": s.Out.value(), "unknown_answers": s.UnknownAnswers,
	}
}

func (c MessageCounts) value() map[string]any {
	return map[string]any{
		"hello": c.Hello, "hello_ack": c.HelloAck, "ping": c.Ping, "pong": c.Pong, "bye": c.Bye, "bye_ack": c.ByeAck,
		"requests": c.Requests, "answers": c.Answers, "chunks": c.Chunks, "bytes": c.Bytes,
	}
}

func (r Results) value() map[string]any {
	return map[string]any{"ok": r.OK, "caller_errors": r.CallerErrors, "server_errors": r.ServerErrors, "refused": r.Refused}
}

func (p Period) value() map[string]any {
	return map[string]any{"seconds": p.Over.Seconds(), "requests": p.Requests, "results": p.Results.value()}
}

func (m Minute) value() map[string]any {
	return map[string]any{
		"time": m.Time.UTC().Round(time.Millisecond), "seconds": m.Over.Seconds(),
		"requests": m.Requests, "results": m.Results.value(), "calls": m.Calls, "calls_failed": m.CallsFailed,
		"links": m.Links, "running": m.Running,
	}
}

// tellStats gives Config.OnStats a report each Config.StatsEvery.
func (n *Node) tellStats() {
	tick := time.NewTicker(n.cfg.StatsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.closing:
			return
		}
		report, err := n.StatsJSON()
		if err != nil {
			n.cfg.Logger.Warn("the statistics cannot be written as JSON", "error", err)
			continue
		}
		n.cfg.OnStats(report)
	}
}
