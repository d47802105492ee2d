package relays

import "github.com/fernmesh/fernmesh/bench/internal/contest"

// rate is messages, or joins, per second.
func rate(t contest.Trial) float64 { return t.Result.Rate() }

func megabytes(t contest.Trial) float64 { return t.Result.Rate() * largeBytes / 1e6 }

func microseconds(of func(contest.Result) float64) figure {
	return func(t contest.Trial) float64 { return of(t.Result) * 1e6 }
}

// extra is a figure of a result's own, in a unit; below 0 if it is not there.
func extra(key string, unit float64) figure {
	return func(t contest.Trial) float64 {
		v, ok := t.Result.Extra[key]
		if !ok {
			return -1
		}
		return v / unit
	}
}

// relayCPU is the relay's processor time for a message that arrived, in
// microseconds. The acknowledgements of a stream are in it.
func relayCPU(t contest.Trial) float64 {
	v, ok := t.Result.Extra[cpuOf]
	if !ok || t.Result.Calls == 0 {
		return -1
	}
	return v / 1e3 / float64(t.Result.Calls)
}

func lostPart(t contest.Trial) float64 {
	if t.Result.Extra[sentOf] == 0 {
		return -1
	}
	return 100 * t.Result.Extra[lostOf] / t.Result.Extra[sentOf]
}

func memberKiB(t contest.Trial) float64 { return extra(memberBytes, 1<<10)(t) }

func perMiB(key string) figure { return extra(key, 1<<20) }
