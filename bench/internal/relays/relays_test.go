package relays

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
)

// The program of this test is also that of the contestants' processes.
func TestMain(m *testing.M) {
	contest.Main(Section())
	os.Exit(m.Run())
}

// Every contestant does every job that it does not refuse, over processes of
// its own, and what it carries arrives whole: sinks and sources end a trial
// with an error if it does not.
func TestEveryContestantDoesEveryJob(t *testing.T) {
	dir := t.TempDir()
	if err := programs.Build(t.Context(), dir, programs.Relay); err != nil {
		t.Fatal(err)
	}
	o := contest.Options{Rounds: 1, Duration: 20 * time.Millisecond}
	const members = 20
	all := jobs(o, members, programs.In(dir, programs.Relay), dir)
	trials, err := contest.Compare(context.Background(), name, Contestants(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials {
		if trial.Err != "" || trial.Result.Calls == 0 {
			t.Errorf("%s, %s: %d messages, error %q", trial.Contestant, trial.Job, trial.Result.Calls, trial.Err)
		}
		if trial.Contestant == ownName && trial.Result.Extra[lostOf] != 0 {
			t.Errorf("%s lost %v messages of %v", trial.Job, trial.Result.Extra[lostOf], trial.Result.Extra[sentOf])
		}
	}
	for _, j := range all {
		if !slices.ContainsFunc(trials, func(trial contest.Trial) bool { return trial.Job == j.Name }) {
			t.Errorf("nobody did %s", j.Name)
		}
	}
	if s := tables(trials); len(s.Tables) != 7 || len(s.Charts) != 1 {
		t.Errorf("%d tables and %d charts came of all jobs", len(s.Tables), len(s.Charts))
	}
}
