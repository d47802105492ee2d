package contest

import (
	"context"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// A Contestant is one way to do a piece of work, in one or more processes.
type Contestant struct {
	// Name is what reports and the -only option call it; unique in a Section.
	Name string
	// About is one line of how it was set up.
	About string
	// Modules are paths of the Go modules that are measured, for their versions.
	Modules []string
	// Roles are its processes. They are started in this order, each when the
	// one before is ready, and the last one measures.
	Roles []Role
	// Skip, if not nil, tells jobs that it cannot do.
	Skip func(Job) bool
}

// A Role is one process of a contestant. Run gets the process's view of the
// contest and must call [Process.Ready] once others may rely on it. A role
// that serves then returns [Process.Wait]; the last role calls
// [Process.Measure], or measures by itself and calls [Process.Finish].
type Role struct {
	Name string // "server", "client", "broker", …
	Run  func(*Process) error
}

// A Job is what all contestants do in one cell of a table.
type Job struct {
	Name     string        // "64x1"
	Payload  int           // bytes of a message
	Callers  int           // how many callers call at once, or messages in flight
	Warm     time.Duration // time to warm up, not measured
	Duration time.Duration // time to measure
	// Profile, if not empty, is the beginning of the names of files into which
	// each process writes its CPU profile of the measured span.
	Profile string
	// Options are for what only one Section knows.
	Options Values
}

// Values are named words, such as addresses.
type Values map[string]string

// A Section is one part of the comparison, with tables of its own.
type Section struct {
	Name        string // "rpc", "relay", "startup"
	Contestants []Contestant
	// Cells are the names of its jobs, among which a user may choose. A Section
	// without any is left out once a user chooses cells.
	Cells []string
	Run   func(context.Context, Options) (*report.Section, error)
}

// Options are what the user of the comparison chose.
type Options struct {
	Rounds   int           // how often everything is measured, at least 1
	Duration time.Duration // how long each cell of each round is measured
	Only     []string      // names of contestants; empty means all
	Cells    []string      // names of jobs; empty means all
	Seed     uint64        // of the random order
	Profile  string        // directory for CPU profiles of all processes; empty is none
	// Progress is told what is done, line by line; nil is nobody.
	Progress func(format string, args ...any)
}
