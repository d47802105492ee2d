package contest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Compare lets every chosen contestant do every chosen job once per round, one
// at a time and, for each job of each round, in a new random order. A trial
// that fails is among the answers with its error; the error returned is that
// of the whole, such as a cancelled context.
func Compare(ctx context.Context, section string, contestants []Contestant, jobs []Job, o Options) ([]Trial, error) {
	tls, err := NewCertificates()
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(o.Seed, uint64(len(section))))
	var trials []Trial
	for round := range max(o.Rounds, 1) {
		for _, job := range o.jobs(jobs) {
			job.Profile = o.profile(round+1, job)
			field := o.field(contestants, job)
			random.Shuffle(len(field), func(i, j int) { field[i], field[j] = field[j], field[i] })
			for _, c := range field {
				t := Run(ctx, section, c, job, tls)
				if err := ctx.Err(); err != nil {
					return trials, err
				}
				t.Round = round + 1
				o.Say("%s", line(t))
				trials = append(trials, t)
			}
		}
	}
	return trials, nil
}

// profile is the beginning of the names of the profiles of a round and job.
func (o Options) profile(round int, job Job) string {
	if o.Profile == "" {
		return ""
	}
	return filepath.Join(o.Profile, fmt.Sprintf("round%d-%s", round, job.Name))
}

func line(t Trial) string {
	if t.Err != "" {
		return fmt.Sprintf("round %d  %-12s %-22s FAILED: %s", t.Round, t.Job, t.Contestant, t.Err)
	}
	return fmt.Sprintf("round %d  %-12s %-22s %10.0f/s  p50 %v  p99 %v", t.Round, t.Job, t.Contestant, t.Result.Rate(), t.Result.P50, t.Result.P99)
}

// Say reports progress, if anyone wants to know.
func (o Options) Say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(format, args...)
	}
}

// Wants tells whether a contestant was chosen.
func (o Options) Wants(contestant string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, contestant)
}

func (o Options) jobs(all []Job) []Job {
	var chosen []Job
	for _, j := range all {
		if len(o.Cells) == 0 || slices.Contains(o.Cells, j.Name) {
			chosen = append(chosen, j)
		}
	}
	return chosen
}

func (o Options) field(all []Contestant, job Job) []Contestant {
	var field []Contestant
	for _, c := range all {
		if o.Wants(c.Name) && (c.Skip == nil || !c.Skip(job)) {
			field = append(field, c)
		}
	}
	return field
}
