package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/commands"
)

// stderrTail is how much of a program's standard error its caller sees.
const stderrTail = 4 << 10

// closingTime is how long a program that has ended may leave its output open in
// the hands of others.
const closingTime = time.Second

// handle is the command: it runs the program once and returns what it printed.
func (p *program) handle(ctx context.Context, c *commands.Call) (any, error) {
	argv, stdin, err := p.input(c)
	if err != nil {
		return nil, err
	}
	select {
	case p.running <- struct{}{}:
		defer func() { <-p.running }()
	default:
		e := commands.Errorf(commands.ResourceExhausted, "%d of these run already, and no more are allowed at a time", p.atOnce).DidNotRun()
		e.RetryAfter = time.Second
		return nil, e
	}
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	r := &programRun{program: p, stdout: &capped{limit: p.maxOutput, full: cancel}, stderr: &lastBytes{}}
	err = r.run(limited, argv, stdin, c)
	switch {
	case err == nil && !r.stdout.over:
		return p.result(r.stdout.text.Bytes())
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, r.failure(limited, err)
}

// programRun is one run of a program.
type programRun struct {
	*program
	stdout  *capped
	stderr  *lastBytes
	started bool
}

// run returns when the program has ended. The program leads a process group of
// its own, where there are such groups, so that what it started ends with it.
func (r *programRun) run(ctx context.Context, argv []string, stdin []byte, c *commands.Call) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = r.dir, append(r.environment(os.Environ()), callEnvironment(c)...)
	cmd.Stdout, cmd.Stderr = r.stdout, r.stderr
	cmd.WaitDelay = closingTime
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	r.started = true
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		endGroup(cmd) // somebody in it holds the output open
	}
	return err
}

// baseEnvironment are the variables that a program gets from this process, if
// they are set: what programs need to work at all. Keys are not among them.
var baseEnvironment = []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"}

// windowsEnvironment come on top on Windows.
var windowsEnvironment = []string{"SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC"}

// environment is what a program gets of own, and what the config file says.
func (p *program) environment(own []string) []string {
	names := baseEnvironment
	if runtime.GOOS == "windows" {
		names = append(slices.Clone(names), windowsEnvironment...)
	}
	var env []string
	take := func(name string) {
		for _, v := range own {
			if n, _, _ := strings.Cut(v, "="); n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name) {
				env = append(env, v)
			}
		}
	}
	for _, name := range names {
		take(name)
	}
	for _, v := range p.env {
		if strings.Contains(v, "=") {
			env = append(env, v)
		} else {
			take(v)
		}
	}
	return env
}

// callEnvironment tells a program who called it.
func callEnvironment(c *commands.Call) []string {
	env := []string{"FERNMESH_COMMAND=" + c.Path.String(), "FERNMESH_CALL_ID=" + c.ID.String()}
	if c.Caller.Name != "" {
		env = append(env, "FERNMESH_CALLER="+c.Caller.Name)
	}
	if c.Caller.Verified {
		env = append(env, "FERNMESH_CALLER_KEY="+c.Caller.Key.String())
	}
	return env
}

// failure is what the caller learns of a run that gave no result.
func (r *programRun) failure(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case !r.started:
		return commands.Errorf(commands.FailedPrecondition, "the program cannot be started: %s", startReason(err)).DidNotRun()
	case r.stdout.over:
		return r.explained(commands.Errorf(commands.ResourceExhausted, "the program printed more than %d bytes and was stopped", r.maxOutput), nil)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return r.explained(commands.Errorf(commands.DeadlineExceeded, "the program did not end within %v and was stopped", r.timeout), nil)
	case errors.As(err, &exit):
		return r.explained(commands.Errorf(commands.Unknown, "the program failed: %v", exit.ProcessState), exit)
	case errors.Is(err, exec.ErrWaitDelay):
		return r.explained(commands.Errorf(commands.Unknown, "the program ended, but what it started kept its output open"), nil)
	}
	return r.explained(commands.Errorf(commands.Unknown, "the program failed: %v", err), nil)
}

// explained adds what the program said of its failure.
func (r *programRun) explained(e *commands.Error, exit *exec.ExitError) error {
	e.Details = map[string]any{"stderr": strings.ToValidUTF8(string(r.stderr.text), "\ufffd")}
	if exit != nil && exit.ExitCode() >= 0 {
		e.Details["exit_status"] = exit.ExitCode()
	}
	return e
}

// startReason is why a program did not start, without its place on this machine.
func startReason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return "it was not found"
}

// result is the value that the output stands for.
func (p *program) result(out []byte) (any, error) {
	switch p.output {
	case "bytes":
		return out, nil
	case "json":
		v, err := parseJSON(string(out))
		if errors.Is(err, errNotJSON) {
			return nil, commands.Errorf(commands.Internal, "the program ran, but its output is not one JSON value")
		}
		if err != nil {
			return nil, commands.Errorf(commands.Internal, "the program ran, but its output cannot be sent: %v", err)
		}
		return v, nil
	}
	if !utf8.Valid(out) {
		return nil, commands.Errorf(commands.Internal, "the program ran, but its output is not UTF-8 text")
	}
	text, cut := strings.CutSuffix(string(out), "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	return text, nil
}

// capped keeps what a program prints, up to a limit.
type capped struct {
	text  bytes.Buffer
	limit int
	full  func() // called when more comes
	over  bool
}

var errTooMuch = errors.New("too much output")

func (c *capped) Write(b []byte) (int, error) {
	if c.text.Len()+len(b) > c.limit {
		c.over = true
		c.full()
		return 0, errTooMuch
	}
	return c.text.Write(b)
}

// lastBytes keeps the end of what a program says on standard error.
type lastBytes struct{ text []byte }

func (l *lastBytes) Write(b []byte) (int, error) {
	l.text = append(l.text, b...)
	if over := len(l.text) - stderrTail; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(b), nil
}
