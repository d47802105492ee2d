package contest

import (
	"fmt"

	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// Pick collects one figure of a contestant's trials of a job. Trials that
// failed, and figures that are not there (below 0), are left out.
func Pick(trials []Trial, contestant, job string, figure func(Trial) float64) report.Series {
	s := report.Series{}
	for _, t := range trials {
		if t.Contestant != contestant || t.Job != job || t.Err != "" {
			continue
		}
		if v := figure(t); v >= 0 {
			s[t.Round] = v
		}
	}
	return s
}

// Failures tells in a line each which trials failed and why.
func Failures(trials []Trial) []string {
	var lines []string
	for _, t := range trials {
		if t.Err != "" {
			lines = append(lines, fmt.Sprintf("%s, %s, round %d: %s", t.Contestant, t.Job, t.Round, t.Err))
		}
	}
	return lines
}

// CPU is the processors' time of a call in microseconds, all processes
// together.
func CPU(t Trial) float64 {
	var all float64
	for _, u := range t.Usage {
		all += u.CPU().Seconds()
	}
	return perCall(t, all*1e6)
}

// Allocations is how often a process allocated for a call; below 0 if there is
// no such process.
func Allocations(role string) func(Trial) float64 {
	return func(t Trial) float64 {
		u, ok := t.Usage[role]
		if !ok {
			return -1
		}
		return perCall(t, float64(u.Mallocs))
	}
}

// Resident is the memory of a process in MiB; below 0 if it is unknown.
func Resident(role string) func(Trial) float64 {
	return func(t Trial) float64 {
		u := t.Usage[role]
		if u.RSS == 0 {
			return -1
		}
		return float64(u.RSS) / (1 << 20)
	}
}

func perCall(t Trial, total float64) float64 {
	if t.Result.Calls == 0 {
		return -1
	}
	return total / float64(t.Result.Calls)
}
