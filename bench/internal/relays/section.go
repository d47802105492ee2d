package relays

import (
	"context"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

const name = "relay"

// Jobs.
const (
	smallJob = "stream-256"
	largeJob = "stream-64k"
	tripJob  = "trip-256"
	floodJob = "flood-256"
	crowdJob = "members"
	callJob  = "calls"
)

const (
	smallBytes   = 256
	smallWindow  = 32 // messages in flight
	largeBytes   = 64 << 10
	largeWindow  = 8    // 512 KiB in flight
	crowdMembers = 1000 // that are idle
	callBytes    = 64   // of a call between nodes
)

// joinTime is what a crowd may take to join, beyond what any job may take:
// libp2p's members are slow to make on a busy machine.
const joinTime = time.Minute

// Section returns the comparison of relays.
func Section() contest.Section {
	return contest.Section{
		Name: name, Contestants: Contestants(), Run: run,
		Cells: []string{smallJob, largeJob, tripJob, floodJob, callJob, crowdJob},
	}
}

// Contestants returns all that can relay, ours first, and those that call over
// a relay and without.
func Contestants() []contest.Contestant {
	var all []contest.Contestant
	for _, k := range append(fernmesh(), derpKind(), natsKind(), turnKind(), libp2pKind()) {
		all = append(all, k.contestant())
	}
	return append(all, callers()...)
}

// jobs returns the cells of the tables. own is where the fernmesh-relay
// program is, and dir where it may keep files.
func jobs(o contest.Options, members int, own, dir string) []contest.Job {
	each := func(name string, payload, callers int) contest.Job {
		return contest.Job{
			Name: name, Payload: payload, Callers: callers, Warm: o.Duration / 4, Duration: o.Duration,
			Options: contest.Values{programOption: own, dirOption: dir},
		}
	}
	crowd := each(crowdJob, 0, members)
	crowd.Warm = joinTime
	return []contest.Job{
		each(smallJob, smallBytes, smallWindow), each(largeJob, largeBytes, largeWindow), each(tripJob, smallBytes, 1),
		each(floodJob, smallBytes, 1), each(callJob, callBytes, 1), crowd,
	}
}

func run(ctx context.Context, o contest.Options) (*report.Section, error) {
	dir, err := os.MkdirTemp("", "relays")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := programs.Build(ctx, dir, programs.Relay); err != nil {
		return nil, err
	}
	trials, err := contest.Compare(ctx, name, Contestants(), jobs(o, crowdMembers, programs.In(dir, programs.Relay), dir), o)
	if err != nil {
		return nil, err
	}
	return tables(trials), nil
}
