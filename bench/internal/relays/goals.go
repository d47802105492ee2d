package relays

import (
	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// Contestants of goals.
const (
	ownName   = "fernmesh"
	plainName = "fernmesh-plain"
)

// goals tells which of the goals were met whose figures were asked for.
func (f figures) goals() report.Table {
	trip := func(t contest.Trial) float64 { return t.Result.P50.Seconds() }
	all := []report.Goal{
		{What: "256 B stream, messages/s beside DERP", Must: 2.5, Aim: 3.8, Measured: f.series(ownName, smallJob, rate, true)},
		{What: "256 B stream, messages lost", AtMost: true, Measured: f.series(ownName, smallJob, extra(lostOf, 1), false)},
		{What: "256 B stream, relay's CPU per message beside DERP", Must: 0.33, AtMost: true, Measured: f.series(ownName, smallJob, relayCPU, true)},
		{What: "64 KiB stream, MB/s beside DERP", Must: 1.2, Aim: 1.5, Measured: f.series(ownName, largeJob, megabytes, true)},
		{What: "256 B there and back, p50 beside DERP", Must: 1, AtMost: true, Measured: f.series(ownName, tripJob, trip, true)},
		{What: "256 B flood, messages lost", AtMost: true, Measured: f.series(ownName, floodJob, extra(lostOf, 1), false)},
		{What: "idle member, memory beside DERP", Must: 0.9, AtMost: true, Measured: f.series(ownName, crowdJob, memberKiB, true)},
		{What: "idle member without TLS, KiB", Must: 8, Aim: 4, AtMost: true, Measured: f.series(plainName, crowdJob, memberKiB, false)},
		{What: "call over the relay, p50 beside a direct call", Must: 2.2, AtMost: true, Measured: contest.Pick(f, relayedCalls, callJob, trip).Over(contest.Pick(f, directCalls, callJob, trip))},
	}
	var asked []report.Goal
	for _, g := range all {
		if len(g.Measured) > 0 {
			asked = append(asked, g)
		}
	}
	return report.Goals("Goals: relaying, TLS, one hop", "Medians of the ratios of each round.", asked)
}
