package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// program is one run: where it reads, writes and looks things up. Tests fill it
// with their own.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(name string) string // an unset and an empty variable are the same
}

// run runs one command line, without the program's name, and returns the exit
// code. Everything that it started has ended then.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	f := explain(err)
	fmt.Fprintf(p.stderr, "fernmesh-relay: error: %s\n", oneLine(f.text))
	if f.hint != "" {
		fmt.Fprintf(p.stderr, "fernmesh-relay: hint: %s\n", oneLine(f.hint))
	}
	return f.code
}

func main() {
	signal.Ignore(syscall.SIGPIPE) // whoever reads the output may go away; the relay stays
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default comes back: a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	os.Exit(p.run(ctx, os.Args[1:]))
}
