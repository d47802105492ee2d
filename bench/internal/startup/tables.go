package startup

import (
	"path"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// Raw is what was measured, for the JSON file.
type Raw struct {
	Trials   []contest.Trial `json:"trials"`
	Programs []built         `json:"programs"`
}

// Goals.
const (
	mostRatio   = 1.2 // beside the fastest other program
	mostReady   = 50  // milliseconds
	mostProgram = 15  // megabytes
)

func tables(trials []contest.Trial, all []built) *report.Section {
	s := &report.Section{Name: name, Raw: Raw{trials, all}, Failed: contest.Failures(trials)}
	s.Tables = append(s.Tables, goals(trials, all))
	if calls := callTable(trials); len(calls.Rows) > 0 {
		s.Tables = append(s.Tables, calls)
	}
	s.Tables = append(s.Tables, sizeTable(all))
	return s
}

func goals(trials []contest.Trial, all []built) report.Table {
	wanted := []report.Goal{
		{What: "fernmesh call, time beside the fastest other", Must: mostRatio, AtMost: true, Measured: wall(trials, ownProgram).Over(fastest(trials))},
		{What: "fernmesh-relay ready, ms", Must: mostReady, AtMost: true, Measured: ready(trials)},
		{What: "size of fernmesh, MB", Must: mostProgram, AtMost: true, Measured: size(all, programs.Fernmesh)},
		{What: "size of fernmesh-relay, MB", Must: mostProgram, AtMost: true, Measured: size(all, programs.Relay)},
	}
	var asked []report.Goal
	for _, g := range wanted {
		if len(g.Measured) > 0 {
			asked = append(asked, g)
		}
	}
	return report.Goals("Goals: start-up", "Programs are stripped and built without cgo.", asked)
}

// wall is the median time of a program in each round, in milliseconds.
func wall(trials []contest.Trial, program string) report.Series {
	return contest.Pick(trials, "shell", callJob, milliseconds(program+wallOf))
}

func milliseconds(key string) func(contest.Trial) float64 {
	return func(t contest.Trial) float64 { return t.Result.Extra[key] / 1e6 }
}

// fastest is the least of the others' medians in each round.
func fastest(trials []contest.Trial) report.Series {
	least := report.Series{}
	for _, a := range asking(&contest.Process{})[1:] {
		for round, v := range wall(trials, a.name) {
			if have, ok := least[round]; !ok || v < have {
				least[round] = v
			}
		}
	}
	return least
}

func ready(trials []contest.Trial) report.Series {
	return contest.Pick(trials, "fernmesh-relay", readyJob, func(t contest.Trial) float64 { return t.Result.P50.Seconds() * 1e3 })
}

// size of a program in megabytes.
func size(all []built, path string) report.Series {
	s := report.Series{}
	for _, b := range all {
		if b.Path == path {
			s[1] = float64(b.Bytes) / 1e6
		}
	}
	return s
}

func callTable(trials []contest.Trial) report.Table {
	t := report.Table{
		Title: "One call from a shell, from process start to exit", Columns: []string{"program", "ms", "CPU ms", "beside the fastest other"},
		Note: "Medians, the programs in turns. The servers run already, on the same machine.",
	}
	for _, a := range asking(&contest.Process{}) {
		w := wall(trials, a.name)
		if len(w) == 0 {
			continue
		}
		cpu := contest.Pick(trials, "shell", callJob, milliseconds(a.name+cpuOf))
		t.Rows = append(t.Rows, []string{a.name + ": " + a.about, w.Text(report.Count), cpu.Text(report.Count), w.Over(fastest(trials)).Text(report.Ratio)})
	}
	return t
}

func sizeTable(all []built) report.Table {
	t := report.Table{Title: "Sizes of programs, stripped", Columns: []string{"program", "version", "MB"}}
	for _, b := range all {
		t.Rows = append(t.Rows, []string{path.Base(b.Path), b.Version, size(all, b.Path).Text(report.Ratio)})
	}
	return t
}
