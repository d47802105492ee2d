package startup

import (
	"context"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// relayReady starts relays one after another. Each is ready when a member has
// joined: the connection is accepted, and both sides have proven who they are.
// The relay's identity was made before, as that of a relay that starts again.
func relayReady(p *contest.Process) error {
	start := relayStarter{
		program: programs.In(p.Job.Options[binOption], programs.Relay), dir: p.Job.Options[dirOption],
		network: crypto.Derive(crypto.GenerateKey(), "home"),
	}
	if _, err := start.once(); err != nil {
		return err
	}
	used, err := p.Begin()
	if err != nil {
		return err
	}
	times, begun := new(contest.Histogram), time.Now()
	for end := begun.Add(p.Job.Duration); times.Count() < leastRuns || time.Now().Before(end); {
		took, err := start.once()
		if err != nil {
			return err
		}
		times.Record(took)
	}
	return p.Finish(used, contest.Result{
		Calls: times.Count(), Elapsed: time.Since(begun), P50: times.Quantile(0.5), P99: times.Quantile(0.99), Max: times.Max(),
	})
}

type relayStarter struct {
	program, dir string
	network      *crypto.Schedule
}

// once starts a relay, joins it and ends it.
func (s relayStarter) once() (time.Duration, error) {
	begun := time.Now()
	started, err := startServing(s.program, "--listen", "127.0.0.1:0", "--public-host", "127.0.0.1", "--state-dir", s.dir, "--ops-listen", "off")
	if err != nil {
		return 0, err
	}
	took, err := s.join(strings.TrimSpace(started.line), begun)
	started.end()
	return took, err
}

func (s relayStarter) join(line string, begun time.Time) (time.Duration, error) {
	address, err := relay.ParseAddress(line)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := relay.Connect(ctx, relay.Config{
		Address: address, Handler: alone{}, Room: func(id relay.ID) *crypto.Room { return s.network.Room(id) },
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	c.Close(nil)
	return took, nil
}

// alone is a member that expects nobody.
type alone struct{}

// Up implements relay.Handler, as the others do.
func (alone) Up(relay.Addr)             {}
func (alone) Down(relay.Addr)           {}
func (alone) Casted(relay.Addr, []byte) {}
func (alone) Accept(c *relay.Channel)   { _ = c.Close() }
func (alone) Draining(time.Duration)    {}
