package relays

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// figures answers for what was measured.
type figures []contest.Trial

// A figure is one number of a trial, below 0 if the trial has none.
type figure func(contest.Trial) float64

// A column of a table; over says that it is beside DERP's figure.
type column struct {
	title  string
	of     figure
	over   bool
	format func(float64) string
}

func tables(trials []contest.Trial) *report.Section {
	s := &report.Section{Name: name, Raw: trials, Failed: contest.Failures(trials)}
	f := figures(trials)
	for _, t := range []report.Table{
		f.goals(),
		f.table(smallJob, "Stream of 256 B messages, 32 in flight", "", f.streamColumns(rate, "messages/s")),
		f.table(largeJob, "Stream of 64 KiB messages, 8 in flight",
			"64 KiB is the most that DERP carries; pion's TURN carries datagrams of at most 1,600 B and is left out.", f.streamColumns(megabytes, "MB/s")),
		f.table(tripJob, "256 B there and back, one at a time", "", []column{
			{"p50 µs", microseconds(func(r contest.Result) float64 { return r.P50.Seconds() }), false, report.Count},
			{"beside " + derpName, microseconds(func(r contest.Result) float64 { return r.P50.Seconds() }), true, report.Ratio},
			{"p99 µs", microseconds(func(r contest.Result) float64 { return r.P99.Seconds() }), false, report.Count},
			{"relay's CPU µs", relayCPU, false, report.Count},
		}),
		f.table(floodJob, "256 B messages as fast as the line takes them", "Arrived is per second, until the sink has answered; lost is the part of what was sent.", []column{
			{"arrived/s", rate, false, report.Count},
			{"lost %", lostPart, false, report.Count},
			{"relay's CPU µs", relayCPU, false, report.Count},
			{"relay's memory, MiB", perMiB(rssOf), false, report.Count},
		}),
		f.table(crowdJob, "Idle members", "Growth of the relay's resident memory by 1,000 members, which no one asked to collect its garbage. TURN's members are allocations, libp2p's reservations.", []column{
			{"KiB each", memberKiB, false, report.Count},
			{"beside " + derpName, memberKiB, true, report.Ratio},
			{"joins/s", rate, false, report.Count},
		}),
		f.table(callJob, "Calls of 64 B between fernmesh nodes, one at a time", "", []column{
			{"p50 µs", microseconds(func(r contest.Result) float64 { return r.P50.Seconds() }), false, report.Count},
			{"p99 µs", microseconds(func(r contest.Result) float64 { return r.P99.Seconds() }), false, report.Count},
		}),
	} {
		if len(t.Rows) > 0 {
			s.Tables = append(s.Tables, t)
		}
	}
	if c := f.chart(); len(c.Groups) > 0 {
		s.Charts = []report.Chart{c}
	}
	return s
}

func (f figures) streamColumns(speed figure, unit string) []column {
	return []column{
		{unit, speed, false, report.Count},
		{"beside " + derpName, speed, true, report.Ratio},
		{"lost", extra(lostOf, 1), false, report.Count},
		{"relay's CPU µs", relayCPU, false, report.Count},
		{"CPU beside " + derpName, relayCPU, true, report.Ratio},
	}
}

// series is a contestant's figure by round, over DERP's in the same round if
// it is to be.
func (f figures) series(contestant, job string, of figure, over bool) report.Series {
	s := contest.Pick(f, contestant, job, of)
	if over {
		return s.Over(contest.Pick(f, derpName, job, of))
	}
	return s
}

// table has a row for every contestant that did the job.
func (f figures) table(job, title, note string, columns []column) report.Table {
	t := report.Table{Title: title, Note: note, Columns: []string{"relay"}}
	for _, c := range columns {
		t.Columns = append(t.Columns, c.title)
	}
	for _, contestant := range f.did(job) {
		row := []string{contestant}
		for _, c := range columns {
			row = append(row, f.series(contestant, job, c.of, c.over).Text(c.format))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// did returns who did a job, in the order of the list.
func (f figures) did(job string) []string {
	var names []string
	for _, c := range Contestants() {
		if slices.ContainsFunc(f, func(t contest.Trial) bool { return t.Contestant == c.Name && t.Job == job && t.Err == "" }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// chart has a group of bars for each stream, the fastest first.
func (f figures) chart() report.Chart {
	c := report.Chart{
		Title: "Relaying beside DERP", Unit: "messages per second over one hop, TLS; Tailscale's DERP = 1; medians of ratios in one run; more is better", Mark: 1,
	}
	for _, g := range []struct{ job, title string }{{smallJob, "256 B, 32 in flight"}, {largeJob, "64 KiB, 8 in flight"}, {tripJob, "256 B there and back"}} {
		var bars []report.Bar
		for _, contestant := range f.did(g.job) {
			if v, ok := f.series(contestant, g.job, rate, true).Median(); ok {
				bars = append(bars, report.Bar{Label: contestant, Value: v, Own: strings.HasPrefix(contestant, "fernmesh")})
			}
		}
		slices.SortStableFunc(bars, func(a, b report.Bar) int { return cmp.Compare(b.Value, a.Value) })
		if len(bars) > 0 {
			c.Groups = append(c.Groups, report.Group{Title: g.title, Bars: bars})
		}
	}
	return c
}
