package rpcs

import (
	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// A goal is a bound on calls per second beside the reference.
type goal struct {
	contestant, job string
	must, aim       float64
}

var ratioGoals = []goal{
	{"fernmesh", "64x1", 1.5, 1.8},
	{"fernmesh-inline", "64x1", 1.5, 1.8},
	{"fernmesh", "64x64", 3.5, 5},
	{"fernmesh-inline", "64x64", 6, 9},
	{"fernmesh", "1024x1", 1.5, 1.8},
	{"fernmesh-inline", "1024x1", 1.5, 1.8},
	{"fernmesh", "1024x64", 2.2, 3.2},
	{"fernmesh-inline", "1024x64", 3.5, 4.8},
	{"fernmesh", "65536x1", 0.65, 0.8},
	{"fernmesh", "65536x64", 0.65, 0.8},
	{"fernmesh-bulk", "65536x1", 1.2, 1.5},
	{"fernmesh-bulk", "65536x64", 1.2, 1.5},
	{"fernmesh", "1048576x1", 0.45, 0.6},
	{"fernmesh", "1048576x64", 0.45, 0.6},
	{"fernmesh-bulk", "1048576x1", 1.1, 1.4},
	{"fernmesh-bulk", "1048576x64", 1.1, 1.4},
}

// mostAllocations is the goal for a small call, on each side.
const mostAllocations = 8

// goals makes the tables of the goals whose figures were asked for.
func (f figures) goals() []report.Table {
	var tables []report.Table
	for _, t := range []report.Table{f.rateGoals(), f.allocationGoals()} {
		if len(t.Rows) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

func (f figures) rateGoals() report.Table {
	var goals []report.Goal
	for _, g := range ratioGoals {
		if f.has(g.contestant, g.job) {
			what := g.contestant + ", " + cellTitle(g.job)
			goals = append(goals, report.Goal{What: what, Must: g.must, Aim: g.aim, Measured: f.ratio(g.contestant, g.job)})
		}
	}
	return report.Goals("Goals: calls per second, gRPC = 1.0", "Medians of the ratios of each round.", goals)
}

func (f figures) allocationGoals() report.Table {
	var goals []report.Goal
	for _, contestant := range []string{"fernmesh", "fernmesh-inline"} {
		for _, job := range []string{"64x1", "64x64"} {
			for _, role := range []string{"client", "server"} {
				if f.has(contestant, job) {
					made := f.of(contest.Allocations(role))(contestant, job)
					what := contestant + ", " + cellTitle(job) + ", " + role
					goals = append(goals, report.Goal{What: what, Must: mostAllocations, AtMost: true, Measured: made})
				}
			}
		}
	}
	return report.Goals("Goals: allocations of a small call with raw values", "All that the process allocates while it calls, its timers and upkeep included.", goals)
}

func (f figures) has(contestant, job string) bool {
	for _, t := range f.trials {
		if t.Contestant == contestant && t.Job == job {
			return true
		}
	}
	return false
}
