package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// prompter asks questions on a terminal. Its reading goroutines cannot be ended
// while they wait for a line: after an interrupt one lives until the process
// exits, right after.
type prompter struct {
	*Main
	file  *os.File
	lines *bufio.Reader
}

// terminal returns a prompter if standard input is a terminal.
func (m *Main) terminal() (*prompter, bool) {
	f, ok := m.Stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return nil, false
	}
	return &prompter{m, f, bufio.NewReader(io.LimitReader(f, 4*maxInvite))}, true
}

// ask prints a question and returns the line that is typed.
func (p *prompter) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprintf(p.err, "fernmesh: %s ", question)
	type answer struct {
		line string
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		line, err := p.lines.ReadString('\n')
		came <- answer{line, err}
	}()
	select {
	case a := <-came:
		if errors.Is(a.err, io.EOF) && a.line != "" {
			a.err = nil
		}
		return strings.TrimRight(a.line, "\r\n"), a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// askSecret is ask for what must not stay on the screen.
func (p *prompter) askSecret(ctx context.Context, question string) (string, error) {
	restore, err := hideInput(p.file)
	if err != nil {
		return "", err
	}
	defer func() {
		restore()
		fmt.Fprintln(p.err) // the line's end was not shown either
	}()
	return p.ask(ctx, question)
}
