package startup

import (
	"context"
	"os"
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

// Only our programs are built here: a comparison itself fails if any other
// prints what it should not.
func TestProgramsOfOursAreMeasured(t *testing.T) {
	dir := t.TempDir()
	if err := programs.Build(t.Context(), dir, programs.Fernmesh, programs.Relay); err != nil {
		t.Fatal(err)
	}
	o := contest.Options{Rounds: 1, Duration: time.Millisecond}
	trials, err := contest.Compare(context.Background(), name, Contestants(), jobs(o, dir, dir), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials {
		if trial.Err != "" || trial.Result.Calls < leastRuns || trial.Result.P50 <= 0 {
			t.Errorf("%s: %d runs, p50 %v, error %q", trial.Job, trial.Result.Calls, trial.Result.P50, trial.Err)
		}
	}
	if len(trials) != 2 {
		t.Errorf("%d trials were made", len(trials))
	}
}

func TestTheFastestOtherIsTakenRoundByRound(t *testing.T) {
	trial := func(round int, own, nats, grpc float64) contest.Trial {
		return contest.Trial{Round: round, Contestant: "shell", Job: callJob, Result: contest.Result{Extra: map[string]float64{
			ownProgram + wallOf: own, "nats request" + wallOf: nats, "grpcurl" + wallOf: grpc, "grpcurl -protoset" + wallOf: grpc + 1,
		}}}
	}
	trials := []contest.Trial{trial(1, 20e6, 10e6, 40e6), trial(2, 20e6, 40e6, 20e6), trial(3, 20e6, 10e6, 40e6)}
	if m, _ := wall(trials, ownProgram).Over(fastest(trials)).Median(); m != 2 {
		t.Errorf("the median of 2, 1 and 2 is %v", m)
	}
}
