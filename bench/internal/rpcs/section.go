package rpcs

import (
	"context"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

const name = "rpc"

// Section returns the comparison of calls.
func Section() contest.Section {
	s := contest.Section{Name: name, Contestants: Contestants(), Run: run}
	for _, j := range Jobs(0) {
		s.Cells = append(s.Cells, j.Name)
	}
	return s
}

// Contestants returns all that can call, ours first.
func Contestants() []contest.Contestant {
	all := fernmeshes()
	return append(all, grpcOne(), drpcOf(1), drpcOf(8), netRPC(), libp2pStreams(), libp2pCalls(), natsRequest(), tlsEcho())
}

func run(ctx context.Context, o contest.Options) (*report.Section, error) {
	trials, err := contest.Compare(ctx, name, Contestants(), Jobs(o.Duration), o)
	if err != nil {
		return nil, err
	}
	return tables(trials), nil
}
