package relays

import (
	"fmt"
	"os"
	"strconv"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// A line carries whole messages between two members of a relay.
type line interface {
	// send gives a message to the line, which keeps no part of it. One goroutine
	// calls it at a time. What a relay drops is no error.
	send(message []byte) error
	// listen calls hear for every message that comes, one at a time, until the
	// line or hear fails. hear must not keep the message. It is called once.
	listen(hear func(message []byte) error) error
}

// A kind is one way to relay.
type kind struct {
	name, about string
	modules     []string
	most        int // bytes of the largest message that it carries
	crowdOnly   bool

	// relay starts a relay, and returns what its members need to know.
	relay func(*contest.Process) (contest.Values, error)
	// called joins as the member that waits, and returns what its peer needs to
	// know.
	called func(*contest.Process) (line, contest.Values, error)
	// caller joins as the member that speaks first.
	caller func(*contest.Process) (line, error)
	// idle joins as the i-th member of a crowd; what it returns is kept.
	idle func(p *contest.Process, i int) (any, error)
}

// Keys of what processes tell each other.
const (
	addressOf = "address"
	pidOf     = "pid" // of the relay's process, if it is not the role's own
)

func (k kind) contestant() contest.Contestant {
	return contest.Contestant{
		Name: k.name, About: k.about, Modules: k.modules, Skip: k.skips,
		Roles: []contest.Role{{Name: "relay", Run: k.serve}, {Name: "sink", Run: k.wait}, {Name: "source", Run: k.speak}},
	}
}

func (k kind) skips(j contest.Job) bool {
	switch j.Name {
	case callJob:
		return true
	case crowdJob:
		return false
	}
	return k.crowdOnly || j.Payload > k.most
}

func (k kind) serve(p *contest.Process) error {
	v, err := k.relay(p)
	if err != nil {
		return err
	}
	if v[pidOf] == "" {
		v[pidOf] = strconv.Itoa(os.Getpid())
	}
	return p.Ready(v)
}

func (k kind) wait(p *contest.Process) error {
	if p.Job.Name == crowdJob {
		return p.Ready(nil)
	}
	l, v, err := k.called(p)
	if err != nil {
		return err
	}
	if err := p.Ready(v); err != nil {
		return err
	}
	return l.listen(newSink(l, p.Job).hear)
}

func (k kind) speak(p *contest.Process) error {
	if p.Job.Name == crowdJob {
		return k.crowd(p)
	}
	l, err := k.caller(p)
	if err != nil {
		return err
	}
	s := newSource(l, p.Job)
	go func() { s.ended <- l.listen(s.hear) }()
	switch p.Job.Name {
	case smallJob, largeJob:
		return s.stream(p)
	case tripJob:
		return s.trips(p)
	case floodJob:
		return s.flood(p)
	}
	return fmt.Errorf("there is no job %q", p.Job.Name)
}

// relayAddress is where the relay of this trial is.
func relayAddress(p *contest.Process) string { return p.Peers["relay"][addressOf] }
