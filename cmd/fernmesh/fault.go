package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// fault is an error as a person gets it: what failed and with what, what to do
// next, and the exit code.
type fault struct {
	code  int
	text  string // no capital first, no full stop at the end
	hint  string // the next step
	cause error
}

// Error returns the text without the hint.
func (f *fault) Error() string { return f.text }

// Unwrap returns the cause.
func (f *fault) Unwrap() error { return f.cause }

// faultf makes a fault of a code, a hint and a formatted text.
func faultf(code int, hint, format string, args ...any) *fault {
	return &fault{code: code, hint: hint, text: fmt.Sprintf(format, args...)}
}

// explain turns any error into a fault. What is none yet came from the parser
// of the command line.
func explain(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return faultf(exitUsage, `see "fernmesh help"`, "%v", err)
}

// callFault explains the error of a call to a command of a node: where it
// failed decides the exit code, what failed the hint.
func callFault(err error, target, path string) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	f = &fault{code: exitFailure, text: err.Error(), cause: err}
	var e *commands.Error
	if !errors.As(err, &e) {
		f.hint = `"fernmesh peers" lists the nodes that can be found`
		if errors.Is(err, context.Canceled) {
			f.text, f.hint = "interrupted", "a command that was sent may still run"
		}
		return f
	}
	var stopped *node.StoppedError
	if errors.As(err, &stopped) {
		return f
	}
	if e.Where == commands.WhereCaller && e.Code == commands.Cancelled {
		f.text, f.hint = "interrupted", "a command that was sent may still run for a moment; it is told to stop"
		return f
	}
	if e.Where >= commands.WhereQueue {
		f.code, f.hint = remoteCode(e.Code), remoteHint(e, target, path)
		return f
	}
	f.code = localCode(err, e)
	f.hint = e.Hint
	if f.hint == "" {
		f.hint = `"fernmesh peers" lists the nodes that can be found`
	}
	return f
}

// one makes a call to one node; its error is a fault.
func (c *caller) one(ctx context.Context, target, path string, opts ...node.CallOption) (*node.Reply, error) {
	start := time.Now()
	reply, err := c.Call(ctx, target, path, opts...)
	if err == nil {
		return reply, nil
	}
	f := callFault(err, target, path)
	if f.code == remoteCode(commands.DeadlineExceeded) && time.Since(start) >= c.timeout-deadlineSlack {
		f.code = exitDeadline
	}
	return nil, f
}

// deadlineSlack is by how much a callee may notice our deadline before we do:
// it is told whole milliseconds. Both ends watch the deadline, and the exit code
// must not depend on which of them is first.
const deadlineSlack = 10 * time.Millisecond

// remoteCode is the exit code for a failure that the callee sent.
func remoteCode(c commands.Code) int {
	if c < commands.Cancelled || c > commands.Unauthenticated {
		c = commands.Unknown
	}
	return exitRemote + int(c)
}

// localCode is the exit code for a call that failed before the callee had a say.
func localCode(err error, e *commands.Error) int {
	var (
		refused   *node.RefusedError
		unknown   *node.UnknownNameError
		ambiguous *node.AmbiguousNameError
		nopath    *node.NoPathError
		nobody    *node.NoServiceError
	)
	sent := e.Executed != commands.ExecutedNo
	switch {
	case errors.As(err, &refused):
		return exitRefused
	case e.Code == commands.InvalidArgument && e.Where == commands.WhereCaller:
		return exitUsage
	case errors.As(err, &unknown), errors.As(err, &ambiguous), errors.As(err, &nopath), errors.As(err, &nobody):
		return exitUnreachable
	case e.Code == commands.DeadlineExceeded && sent:
		return exitDeadline
	case e.Code == commands.DeadlineExceeded, e.Code == commands.Unavailable && !sent:
		return exitUnreachable
	}
	return exitFailure
}

// remoteHint is the next step after a failure that the callee sent.
func remoteHint(e *commands.Error, target, path string) string {
	if said := lastWords(e); said != "" {
		return "the last that the program said: " + said
	}
	switch e.Code {
	case commands.NotFound:
		return fmt.Sprintf("\"fernmesh tree %s\" lists its commands", target)
	case commands.InvalidArgument:
		return fmt.Sprintf("\"fernmesh describe %s %s\" shows what it takes", target, path)
	case commands.DeadlineExceeded:
		return "allow more time with --timeout"
	case commands.PermissionDenied, commands.Unauthenticated:
		if rule, _ := e.Details["rule"].(string); rule != "" {
			return "ask the node's owner to allow this caller; \"fernmesh policy explain\" shows there why it is denied"
		}
		return "ask the node's owner to allow this caller"
	case commands.ResourceExhausted, commands.Unavailable:
		if e.RetryAfter > 0 {
			return fmt.Sprintf("try again after %v", e.RetryAfter)
		}
		return "try again later"
	}
	return `the failure is the command's own; "fernmesh help exit-codes" explains the exit code`
}

// lastWords is the last line of what a program that failed said, if it is told.
func lastWords(e *commands.Error) string {
	said, _ := e.Details["stderr"].(string)
	said = strings.TrimSpace(said)
	if i := strings.LastIndexByte(said, '\n'); i >= 0 {
		said = said[i+1:]
	}
	const most = 200
	return said[:min(len(said), most)]
}

// answerFault is for an answer that came and cannot be shown.
func answerFault(err error) *fault {
	return faultf(exitFailure, "the command did run; the other node may be of another version", "the answer cannot be read: %v", err)
}
