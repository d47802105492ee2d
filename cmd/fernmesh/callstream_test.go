package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// Values are printed as they come, and an interrupted stream ends at the node.
func TestInterruptedStream(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no signal to interrupt a process with")
	}
	p := newPlace(t)
	n, _, err := startNode(p.command("serve", "--name", "kitchen", "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	cmd := p.command("call", "kitchen", "text.uppers", "--items", "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for _, word := range []string{"one", "two"} { // the next goes after the answer
		if _, err := stdin.Write([]byte(word + "\n")); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != strings.ToUpper(word) {
			t.Fatalf("%q after %q", lines.Text(), word)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailure || !strings.HasPrefix(stderr.String(), "fernmesh: error: interrupted\n") {
		t.Errorf("%v: %s", err, stderr.String())
	}
	waitUntil(t, "the command has ended", func() bool {
		out, err := p.command("call", "kitchen", "__stats__", "--output", "json").Output()
		return err == nil && bytes.Contains(out, []byte(`"cancelled":1`))
	})
}
