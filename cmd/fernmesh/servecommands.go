package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// addServeCommands registers what "fernmesh serve" offers besides the built-ins.
func addServeCommands(t *commands.Tree) error {
	started := time.Now()
	n := newNotes()
	var runs runCounter
	return errors.Join(
		commands.Func(t, "time.now", timeNow, commands.Doc("Returns the time of this machine, in UTC or in the zone given."), commands.Idempotent()),
		commands.Func(t, "host.info", func(context.Context, struct{}) (hostInfo, error) { return describeHost(started), nil },
			commands.Doc("Returns what machine this is: its name, system and processors."), commands.Idempotent()),
		commands.Func(t, "math.add", mathAdd, commands.Doc("Adds two whole numbers."), commands.Idempotent()),
		commands.Func(t, "text.upper", func(_ context.Context, in textInput) (string, error) { return strings.ToUpper(in.Text), nil },
			commands.Doc("Returns the text in capitals."), commands.Idempotent()),
		commands.Func(t, "text.reverse", func(_ context.Context, in textInput) (string, error) { return reverse(in.Text), nil },
			commands.Doc("Returns the text backwards."), commands.Idempotent()),
		commands.Func(t, "sleep.for", sleepFor, commands.Doc("Waits, and stops waiting when the caller gives up."), commands.Idempotent()),
		commands.Func(t, "count.slowly", runs.slowly, commands.Doc("Counts this run, waits, and returns its number: to see that a call runs once.")),
		commands.Func(t, "count.runs", runs.count, commands.Doc("Returns how often count.slowly ran."), commands.Idempotent()),
		commands.Func(t, "fail.with", failWith, commands.Doc("Fails, with a code if one is given: to see what a failure looks like.")),
		commands.Func(t, "notes.set", n.set, commands.Doc("Keeps a text under a name, in memory."), commands.Idempotent()),
		commands.Func(t, "notes.get", n.get, commands.Doc("Returns the text kept under a name."), commands.Idempotent()),
		commands.Func(t, "notes.list", n.list, commands.Doc("Returns the names of the texts that are kept."), commands.Idempotent()),
		addStreamCommands(t),
		commands.Func(t, "notes.remove", n.remove, commands.Doc("Forgets the text kept under a name.")),
	)
}

type zoneInput struct {
	Zone string `json:"zone,omitempty" jsonschema:"name of a time zone, Europe/Berlin for instance"`
}

func timeNow(_ context.Context, in zoneInput) (string, error) {
	zone, err := time.LoadLocation(in.Zone) // "" is UTC
	if err != nil || in.Zone == "Local" {
		return "", commands.Errorf(commands.InvalidArgument, "zone: %q is not known here", in.Zone).DidNotRun()
	}
	return time.Now().In(zone).Format(time.RFC3339Nano), nil
}

type hostInfo struct {
	Host   string `json:"host" jsonschema:"name of the machine"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
	UpMS   int64  `json:"up_ms" jsonschema:"time since the node started, in milliseconds"`
	Memory uint64 `json:"memory_bytes" jsonschema:"memory that the node has from the system"`
}

func describeHost(started time.Time) hostInfo {
	host, _ := os.Hostname() // "" where the system does not tell
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return hostInfo{host, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), time.Since(started).Milliseconds(), mem.Sys}
}

type addInput struct {
	A int64 `json:"a" jsonschema:"first number"`
	B int64 `json:"b" jsonschema:"second number"`
}

func mathAdd(_ context.Context, in addInput) (int64, error) {
	sum := in.A + in.B
	if (sum > in.A) != (in.B > 0) {
		return 0, commands.Errorf(commands.OutOfRange, "the sum does not fit into 64 bits")
	}
	return sum, nil
}

type textInput struct {
	Text string `json:"text" jsonschema:"the text to change"`
}

func reverse(s string) string {
	r := []rune(s)
	slices.Reverse(r)
	return string(r)
}

type sleepInput struct {
	Seconds float64 `json:"seconds" jsonschema:"how long to wait"`
}

func sleepFor(ctx context.Context, in sleepInput) (string, error) {
	if !(in.Seconds >= 0 && in.Seconds <= 86400) { // NaN is neither
		return "", commands.Errorf(commands.InvalidArgument, "seconds: must be from 0 to 86400").DidNotRun()
	}
	start := time.Now()
	if !pause(ctx, time.Duration(in.Seconds*float64(time.Second))) {
		return "", ctx.Err()
	}
	return "slept " + time.Since(start).Round(time.Millisecond).String(), nil
}

// runCounter counts runs of a command.
type runCounter struct{ runs atomic.Int64 }

func (r *runCounter) slowly(ctx context.Context, in sleepInput) (int64, error) {
	number := r.runs.Add(1)
	_, err := sleepFor(ctx, in)
	return number, err
}

func (r *runCounter) count(context.Context, struct{}) (int64, error) { return r.runs.Load(), nil }

type failInput struct {
	Message string `json:"message" jsonschema:"what the failure says"`
	Code    uint32 `json:"code,omitempty" jsonschema:"number of a code, 1 to 16; without it a plain Go error is returned"`
}

func failWith(_ context.Context, in failInput) (string, error) {
	switch {
	case in.Code == 0:
		return "", errors.New(in.Message)
	case in.Code > uint32(commands.Unauthenticated):
		return "", commands.Errorf(commands.InvalidArgument, "code: must be from 1 to %d", commands.Unauthenticated).DidNotRun()
	}
	return "", commands.Errorf(commands.Code(in.Code), "%s", in.Message)
}
