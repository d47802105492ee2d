package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// place is where processes of one test run: a directory, a key and a discovery
// port of their own.
type place struct {
	dir string
	env []string
}

func newPlace(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "home.key")
	port, err := freeUDPPort()
	loopback, err2 := loopbackInterface()
	if err := errors.Join(err, err2, crypto.SaveKey(key, crypto.GenerateKey())); err != nil {
		t.Fatal(err)
	}
	return place{dir, append(cleanEnvironment(os.Environ()),
		"HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "TMPDIR="+dir,
		"FERNMESH_KEY_FILE="+key, "FERNMESH_ADVERT_PORT="+strconv.Itoa(port), "FERNMESH_INTERFACES="+loopback)}
}

// command is the real program, to be run in the place.
func (p place) command(args ...string) *exec.Cmd {
	cmd := exec.Command("fernmesh", args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// A node that starts takes no name from one that runs: it exits with 6 and says
// what to do (protocol, section 9).
func TestNameTaken(t *testing.T) {
	p := newPlace(t)
	first, _, err := startNode(p.command("serve", "--name", "kitchen", "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second := p.command("serve", "--name", "kitchen", "--until-eof", "--state-dir", filepath.Join(p.dir, "elsewhere"))
	newcomer, _, err := startNode(second)
	if err == nil {
		_ = newcomer.Close()
		t.Fatal("a second node of that name started")
	}
	for _, want := range []string{
		`fernmesh: error: the name "kitchen" is taken by another live node of network "home"` + "\n",
		"fernmesh: hint: stop the other node, or choose another name with --name\n",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it said %q, want %q in it", err, want)
		}
	}
	if code := second.ProcessState.ExitCode(); code != exitRefused {
		t.Errorf("exit code %d, want %d", code, exitRefused)
	}
}

// Whoever reads the output may go away: no message, no hang, exit code 1.
func TestClosedOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("pipes of this system report a closed reader otherwise")
	}
	p := newPlace(t)
	for _, args := range [][]string{{"keygen"}, {"help"}, {"version"}, {"demo"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		cmd := p.command(args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		_ = w.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFailure || stderr.Len() > 0 {
			t.Errorf("%v: %v, %q", args, err, stderr.String())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "fernmesh-demo-*")); len(left) > 0 {
		t.Errorf("demo left %v", left)
	}
}

// A node goes on serving when nobody reads its ready line.
func TestServeWithClosedOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("pipes of this system report a closed reader otherwise")
	}
	p := newPlace(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	cmd := p.command("serve", "--name", "kitchen", "--until-eof")
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if out, err := p.command("call", "kitchen", "math.add", "1", "2").CombinedOutput(); err != nil || string(out) != "3\n" {
		t.Errorf("%q, %v", out, err)
	}
	_ = stdin.Close()
	_ = cmd.Wait()
}

// waitUntil polls with a deadline.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A call that is interrupted ends at once, and so does the command that it runs.
func TestInterruptedCall(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process of this system cannot be sent an interrupt")
	}
	p := newPlace(t)
	n, _, err := startNode(p.command("serve", "--name", "kitchen", "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	running := func(want string) func() bool { // the question itself is one of those that run
		return func() bool {
			out, err := p.command("call", "kitchen", "__stats__", "--output", "json").Output()
			return err == nil && strings.Contains(string(out), `"running":`+want+",")
		}
	}
	cmd := p.command("call", "kitchen", "sleep.for", "3600", "--timeout", "1h")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the command runs", running("2"))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("ended with %v", err)
	}
	if !strings.HasPrefix(stderr.String(), "fernmesh: error: interrupted\nfernmesh: hint: ") {
		t.Errorf("it said %q", stderr.String())
	}
	waitUntil(t, "the command has stopped", running("1"))
}

// A shell waits for about a second, whatever the network is like.
func TestCompletionIsQuick(t *testing.T) {
	p := newPlace(t)
	hole, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and is silent
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	for _, words := range [][]string{{"call", ""}, {"call", "kitchen", ""}} {
		args := append([]string{"__complete", "call", "--relay", hole.Addr().String(), "--peer", hole.Addr().String()}, words[1:]...)
		start := time.Now()
		out, err := p.command(args...).Output()
		if took := time.Since(start); err != nil || string(out) != ":4\n" || took > 4*time.Second { // 1.5 s on a quiet machine
			t.Errorf("%q: %q, %v, after %v", args, out, err, took)
		}
	}
}
