package rpcs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

const reference = "grpc"

// tables sets what was measured: goals, ratios, and what stands beside the
// throughput.
func tables(trials []contest.Trial) *report.Section {
	s := &report.Section{Name: name, Raw: trials, Failed: contest.Failures(trials)}
	f := figures{trials, contestantsOf(trials), jobsOf(trials)}
	if len(f.jobs) == 0 {
		return s
	}
	s.Tables = append(f.goals(),
		f.table("Calls per second, gRPC = 1.0", "Median of the ratios of each round.", report.Ratio, f.ratio),
		f.table("Processor time of a call, gRPC = 1.0", "User and system time of all processes together: client, server and, of NATS, the broker. Less is better.", report.Ratio, f.beside(contest.CPU)),
		f.table("Calls per second", "Medians.", report.Count, f.of(rate)),
		f.table("Time of a call under this load, p50 in µs", "", report.Count, f.of(func(t contest.Trial) float64 { return t.Result.P50.Seconds() * 1e6 })),
		f.table("Time of a call under this load, p99 in µs", "", report.Count, f.of(func(t contest.Trial) float64 { return t.Result.P99.Seconds() * 1e6 })),
		f.table("Processor time of a call in µs", "", report.Count, f.of(contest.CPU)),
		f.table("Allocations of a call, client", "", report.Count, f.of(contest.Allocations("client"))),
		f.table("Allocations of a call, server", "", report.Count, f.of(contest.Allocations("server"))),
		f.table("Memory of the server after the load, MiB resident", "", report.Count, f.of(contest.Resident("server"))),
	)
	s.Charts = []report.Chart{f.chart()}
	return s
}

// figures answers for every contestant and job that was measured.
type figures struct {
	trials      []contest.Trial
	contestants []string
	jobs        []string
}

type picker func(contestant, job string) report.Series

func (f figures) of(figure func(contest.Trial) float64) picker {
	return func(contestant, job string) report.Series { return contest.Pick(f.trials, contestant, job, figure) }
}

// beside answers with a figure beside that of the reference in the same round.
func (f figures) beside(figure func(contest.Trial) float64) picker {
	pick := f.of(figure)
	return func(contestant, job string) report.Series { return pick(contestant, job).Over(pick(reference, job)) }
}

// ratio is calls per second beside those of the reference in the same round.
func (f figures) ratio(contestant, job string) report.Series {
	return f.beside(rate)(contestant, job)
}

func rate(t contest.Trial) float64 { return t.Result.Rate() }

func (f figures) table(title, note string, format func(float64) string, pick picker) report.Table {
	t := report.Table{Title: title, Note: note, Columns: []string{"payload, callers"}}
	for _, job := range f.jobs {
		t.Columns = append(t.Columns, cellTitle(job))
	}
	for _, c := range f.contestants {
		row := []string{c}
		for _, job := range f.jobs {
			row = append(row, pick(c, job).Text(format))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// chart has a group of bars for each job, the fastest first.
func (f figures) chart() report.Chart {
	c := report.Chart{
		Title: "Calls per second beside gRPC",
		Unit:  "gRPC-go with mutual TLS 1.3 over one connection = 1; medians of ratios in one run; more is better", Mark: 1,
	}
	for _, job := range f.jobs {
		g := report.Group{Title: cellTitle(job) + callersWord(job)}
		for _, contestant := range f.contestants {
			if v, ok := f.ratio(contestant, job).Median(); ok {
				g.Bars = append(g.Bars, report.Bar{Label: contestant, Value: v, Own: strings.HasPrefix(contestant, "fernmesh")})
			}
		}
		slices.SortStableFunc(g.Bars, func(a, b report.Bar) int { return cmp.Compare(b.Value, a.Value) })
		c.Groups = append(c.Groups, g)
	}
	return c
}

// contestantsOf and jobsOf keep the order of the lists, not the random one.
func contestantsOf(trials []contest.Trial) []string {
	var names []string
	for _, c := range Contestants() {
		if slices.ContainsFunc(trials, func(t contest.Trial) bool { return t.Contestant == c.Name }) {
			names = append(names, c.Name)
		}
	}
	return names
}

func jobsOf(trials []contest.Trial) []string {
	var names []string
	for _, j := range Jobs(0) {
		if slices.ContainsFunc(trials, func(t contest.Trial) bool { return t.Job == j.Name }) {
			names = append(names, j.Name)
		}
	}
	return names
}
