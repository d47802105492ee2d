package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// Main is one run of the program: where it reads, writes and looks things up.
// Tests fill it with their own; [NewMain] fills it with the process's.
type Main struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// Getenv returns an environment variable; an unset one and an empty one are the same.
	Getenv func(name string) string

	// Hangup brings the SIGHUPs; nil means that there are none. One ends the
	// program, or has a node read its files again.
	Hangup <-chan os.Signal

	// out and err are Stdout and Stderr behind an escaping writer: what is
	// printed through them holds no control byte but newline.
	out, err *escapingWriter

	reloads    chan struct{} // a hangup that the running node takes
	reloading  atomic.Bool   // there is such a node
	onTerminal bool          // standard input was a terminal
}

// NewMain returns the Main of this process.
func NewMain() *Main {
	return &Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
}

// Run runs one command line, without the program's name, and returns the exit
// code (see exit.go). Errors are printed, not returned. It comes back soon
// after ctx ends, with everything that it started ended.
func (m *Main) Run(ctx context.Context, args []string) int {
	m.out, m.err = &escapingWriter{to: m.Stdout}, &escapingWriter{to: m.Stderr}
	ctx, end := m.underHangups(ctx)
	defer end()
	root := m.rootCommand()
	root.SetArgs(protectArguments(args))
	err := root.ExecuteContext(ctx)
	if failed := m.out.failure(); failed != nil {
		err = failed // whatever else went wrong followed from it, or shows again next time
	}
	return m.report(err)
}

// report prints err with its hint and returns its exit code.
func (m *Main) report(err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitFailure // whoever read the output has gone, and needs no explanation
	}
	f := explain(err)
	if f.text != "" {
		fmt.Fprintf(m.err, "fernmesh: error: %s\n", escapeLine(redactKeys(f.text)))
	}
	if f.hint != "" {
		fmt.Fprintf(m.err, "fernmesh: hint: %s\n", escapeLine(redactKeys(f.hint)))
	}
	return f.code
}

// notef tells the user something that is neither answer nor error.
func (m *Main) notef(format string, args ...any) {
	fmt.Fprintf(m.err, "fernmesh: "+format+"\n", args...)
}

func main() {
	// A reader of the output that goes away must not kill the process: demo
	// and serve have things to end first. The write fails with EPIPE instead.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default comes back: a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	m := NewMain()
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants it to stay ignored
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		m.Hangup = hangup
	}
	os.Exit(m.Run(ctx, os.Args[1:]))
}
