package rpcs

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

func TestMain(m *testing.M) {
	contest.Main(Section())
	os.Exit(m.Run())
}

// Every contestant returns the bytes that were sent: each caller compares.
func TestEveryContestantEchoes(t *testing.T) {
	tls, err := contest.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Contestants() {
		for _, job := range []contest.Job{
			{Name: "small", Payload: 64, Callers: 1},
			{Name: "middle", Payload: 64 << 10, Callers: 8},
			{Name: "large", Payload: 1 << 20, Callers: 4},
		} {
			if c.Skip != nil && c.Skip(job) {
				continue
			}
			job.Warm, job.Duration = time.Millisecond, 10*time.Millisecond
			trial := contest.Run(t.Context(), name, c, job, tls)
			if trial.Err != "" {
				t.Errorf("%s, %s: %s", c.Name, job.Name, trial.Err)
			} else if trial.Result.Calls < int64(job.Callers) || len(trial.Usage) != len(c.Roles) {
				t.Errorf("%s, %s: %+v", c.Name, job.Name, trial)
			}
		}
	}
}

func TestCallersFindOutWrongAnswers(t *testing.T) {
	sent := []byte("fern")
	for want, answer := range map[string][]byte{
		"":                                     sent,
		"3 bytes came back of 4":               sent[:3],
		"other bytes came back than were sent": []byte("moss"),
	} {
		err := echoes(sent, func([]byte) ([]byte, error) { return answer, nil })()
		if got := text(err); got != want {
			t.Errorf("%q came back: %q, not %q", answer, got, want)
		}
	}
	broken := errors.New("broken")
	if err := echoes(sent, func([]byte) ([]byte, error) { return nil, broken })(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The tables of fixed trials: ratios of each round, whatever the rounds were.
func TestTablesOfFixedTrials(t *testing.T) {
	trial := func(round int, contestant string, calls int64, allocations uint64) contest.Trial {
		u := contest.Usage{User: time.Duration(calls) * 10 * time.Microsecond, Mallocs: allocations * uint64(calls)}
		return contest.Trial{
			Round: round, Contestant: contestant, Job: "64x1",
			Result: contest.Result{Calls: calls, Elapsed: time.Second, P50: time.Microsecond},
			Usage:  map[string]contest.Usage{"client": u, "server": u},
		}
	}
	s := tables([]contest.Trial{
		trial(1, "grpc", 1000, 80), trial(1, "fernmesh", 1700, 7),
		trial(2, "fernmesh", 340, 7), trial(2, "grpc", 200, 80),
		{Round: 3, Contestant: "grpc", Job: "64x1", Err: "no way"}, trial(3, "fernmesh", 9000, 7),
	})
	if want := []string{"fernmesh, 64 B, 1", "≥ 1.5", "≥ 1.8", "1.70 (1.70–1.70)", "met"}; !slices.Equal(s.Tables[0].Rows[0], want) {
		t.Errorf("%q", s.Tables[0].Rows[0])
	}
	if want := []string{"fernmesh, 64 B, 1, server", "≤ 8", "–", "7.00 (7.00–7.00)", "met"}; !slices.Equal(s.Tables[1].Rows[1], want) {
		t.Errorf("%q", s.Tables[1].Rows)
	}
	if want := []string{"fernmesh", "1,700"}; !slices.Equal(s.Tables[4].Rows[0], want) {
		t.Errorf("%q", s.Tables[4].Rows)
	}
	if want := []string{"fernmesh", "20"}; !slices.Equal(s.Tables[7].Rows[0], want) {
		t.Errorf("processor time: %q", s.Tables[7].Rows)
	}
	if bars := s.Charts[0].Groups[0].Bars; bars[0].Label != "fernmesh" || !bars[0].Own || bars[0].Value != 1.7 {
		t.Errorf("%+v", bars)
	}
	if len(s.Failed) != 1 {
		t.Errorf("%q", s.Failed)
	}
}
