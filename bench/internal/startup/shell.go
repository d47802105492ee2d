package startup

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
)

const (
	// leastRuns is how often each program is started at least, however short the
	// time to measure is.
	leastRuns = 10
	// ownProgram is ours among the programs.
	ownProgram = "fernmesh call"
)

// A program is a command line that asks a server, and what it has to print.
type program struct {
	name, about string
	path        string
	args        []string
	prints      string
}

// asking returns the programs that ask; the first one is ours. What is asked is
// the least that each has to ask for.
func asking(p *contest.Process) []program {
	bin := p.Job.Options[binOption]
	node, broker, rpc := p.Peers["node"], p.Peers["broker"], p.Peers["grpc"]
	check := []string{"-d", "{}", rpc[addressOf], "grpc.health.v1.Health/Check"}
	return []program{
		{ownProgram, "finds the node by discovery", programs.In(bin, programs.Fernmesh),
			[]string{"call", "--config", node[configOf], "kitchen", "math.add", "2", "3"}, "5"},
		{"nats request", "TLS, by way of the server to a responder", programs.In(bin, programs.NATS),
			[]string{"--no-context", "--server", broker[addressOf], "--tlsca", broker[authorityOf], "request", "--raw", subject, "2 3"}, "5"},
		{"grpcurl", "TLS, asks the server for its services first", programs.In(bin, programs.GRPCurl),
			append([]string{"-cacert", rpc[authorityOf]}, check...), "SERVING"},
		{"grpcurl -protoset", "TLS, has the services in a file", programs.In(bin, programs.GRPCurl),
			append([]string{"-cacert", rpc[authorityOf], "-protoset", rpc[protosOf]}, check...), "SERVING"},
	}
}

// Suffixes of the keys, behind a program's name, of what a run took.
const (
	wallOf = " wall ns" // median
	cpuOf  = " cpu ns"  // median, both modes
)

// shell starts all programs in turns, each time in another order, and hands
// over the median of each.
func shell(p *contest.Process) error {
	all := slices.DeleteFunc(asking(p), program.missing)
	for _, a := range all { // files come into memory, and state is made
		if _, _, err := a.run(); err != nil {
			return err
		}
	}
	used, err := p.Begin()
	if err != nil {
		return err
	}
	wall, cpu := map[string][]time.Duration{}, map[string][]time.Duration{}
	begun := time.Now()
	for end := begun.Add(p.Job.Duration); len(wall[ownProgram]) < leastRuns || time.Now().Before(end); {
		for _, i := range rand.Perm(len(all)) {
			w, c, err := all[i].run()
			if err != nil {
				return err
			}
			wall[all[i].name] = append(wall[all[i].name], w)
			cpu[all[i].name] = append(cpu[all[i].name], c)
		}
	}
	extra := map[string]float64{}
	for _, a := range all {
		extra[a.name+wallOf], extra[a.name+cpuOf] = middle(wall[a.name]), middle(cpu[a.name])
	}
	return p.Finish(used, contest.Result{
		Calls: int64(len(wall[ownProgram])), Elapsed: time.Since(begun), P50: time.Duration(extra[ownProgram+wallOf]), Max: slices.Max(wall[ownProgram]), Extra: extra,
	})
}

// missing tells that a program was not built, which a comparison always does.
func (a program) missing() bool {
	_, err := os.Stat(a.path)
	return err != nil
}

// run starts the program once and waits for its end.
func (a program) run() (wall, cpu time.Duration, err error) {
	c := exec.Command(a.path, a.args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.Env = os.Environ()
	begun := time.Now()
	err = c.Run()
	wall = time.Since(begun)
	if err == nil && !strings.Contains(out.String(), a.prints) {
		err = fmt.Errorf("it should have printed %q", a.prints)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", a.name, err, out.Bytes())
	}
	return wall, c.ProcessState.UserTime() + c.ProcessState.SystemTime(), nil
}

// middle is the median in nanoseconds.
func middle(d []time.Duration) float64 {
	slices.Sort(d)
	n := len(d)
	return float64(d[(n-1)/2]+d[n/2]) / 2
}
