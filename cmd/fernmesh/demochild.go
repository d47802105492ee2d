package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// stopTime is how long a child has to stop by itself.
const stopTime = 2 * time.Second

// child is one node process of a demo. It is ended through its own handle
// only: by the end of its standard input, which also comes when this process
// is killed, and if that is not enough, by Kill.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr tail

	ready    readyLine
	readyErr error
	told     chan struct{} // closed by watch when ready or readyErr is set
	exited   chan struct{} // closed by watch when the process has ended
	stop     sync.Once
}

// readyLine is what a child says of itself when it is ready.
type readyLine struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// startChild starts this program again as a node.
func startChild(args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(exe, args...), told: make(chan struct{}), exited: make(chan struct{})}
	c.cmd.Args[0] = os.Args[0]
	c.cmd.Env = cleanEnvironment(os.Environ())
	c.cmd.Stderr = &c.stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.watch(stdout)
	return c, nil
}

// watch reads the ready line and waits for the end of the process.
func (c *child) watch(stdout io.Reader) {
	r := bufio.NewReader(stdout)
	line, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.ready)
	}
	c.readyErr = err
	close(c.told)
	_, _ = io.Copy(io.Discard, r) // nothing more is expected; a full pipe would stop the child
	_ = c.cmd.Wait()              // how it ended is of no interest
	close(c.exited)
}

// waitReady returns when the child takes calls, or with the reason why it does not.
func (c *child) waitReady(ctx context.Context) error {
	select {
	case <-c.told:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.readyErr == nil {
		return nil
	}
	select {
	case <-c.exited: // now all it said is there
	case <-ctx.Done():
		return ctx.Err()
	}
	return fmt.Errorf("a node process ended before it was ready: %w", errors.New(c.stderr.String()))
}

// askToStop ends the child's standard input, which asks it to stop.
func (c *child) askToStop() {
	c.stop.Do(func() { _ = c.stdin.Close() }) // the child may have gone already
}

// end returns when the child has ended, by itself or by force.
func (c *child) end() {
	c.askToStop()
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-c.exited:
		return
	case <-patience.C:
	}
	_ = c.cmd.Process.Kill() // fails only if it has just ended
	<-c.exited
}

// cleanEnvironment is env without this program's own variables, which could
// point the demo's nodes to the user's network.
func cleanEnvironment(env []string) []string {
	var clean []string
	for _, v := range env {
		if !strings.HasPrefix(v, "FERNMESH_") {
			clean = append(clean, v)
		}
	}
	return clean
}

// tail keeps the beginning of what a child says on standard error. It is read
// after the child has ended.
type tail struct{ text []byte }

const maxTail = 4 << 10

// Write keeps what fits.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[:min(len(p), maxTail-len(t.text))]...)
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
