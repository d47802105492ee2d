package startup

import (
	"context"
	"os"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

const name = "startup"

// Jobs.
const (
	callJob  = "one-call"
	readyJob = "relay-ready"
)

// Options of a job.
const (
	binOption = "programs"  // where the programs are
	dirOption = "directory" // where files may be kept
)

// Section returns the comparison of programs that start, ask and end.
func Section() contest.Section {
	return contest.Section{Name: name, Contestants: Contestants(), Run: run}
}

// Contestants returns those who call from a shell, all in one contestant since
// they take turns, and the relay that gets ready.
func Contestants() []contest.Contestant {
	return []contest.Contestant{
		{
			Name: "shell", About: "fernmesh call, nats request and grpcurl in turns, from process start to exit",
			Modules: []string{"github.com/fernmesh/fernmesh"}, // the others' are not linked here; the table of sizes has them
			Skip:    func(j contest.Job) bool { return j.Name != callJob },
			Roles: []contest.Role{
				{Name: "node", Run: serveNode}, {Name: "broker", Run: serveNATS}, {Name: "responder", Run: respond},
				{Name: "grpc", Run: serveGRPC}, {Name: "shell", Run: shell},
			},
		},
		{
			Name: "fernmesh-relay", About: "the program, from process start to a member that has joined",
			Modules: []string{"github.com/fernmesh/fernmesh"},
			Skip:    func(j contest.Job) bool { return j.Name != readyJob },
			Roles:   []contest.Role{{Name: "starter", Run: relayReady}},
		},
	}
}

func jobs(o contest.Options, bin, dir string) []contest.Job {
	options := contest.Values{binOption: bin, dirOption: dir}
	return []contest.Job{
		{Name: callJob, Callers: 1, Duration: o.Duration, Options: options},
		{Name: readyJob, Callers: 1, Duration: o.Duration, Options: options},
	}
}

func run(ctx context.Context, o contest.Options) (*report.Section, error) {
	dir, err := os.MkdirTemp("", "startup")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	paths := []string{programs.Fernmesh, programs.Relay, programs.NATS, programs.GRPCurl}
	if err := programs.Build(ctx, dir, paths...); err != nil {
		return nil, err
	}
	var all []built
	for _, p := range paths {
		b, err := inspect(dir, p)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	trials, err := contest.Compare(ctx, name, Contestants(), jobs(o, dir, dir), o)
	if err != nil {
		return nil, err
	}
	return tables(trials, all), nil
}
