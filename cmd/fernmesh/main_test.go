package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// The scripts in testdata run the real program, in processes of its own.
func TestMain(m *testing.M) {
	// Under -race each process that a test starts would sleep a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=10"); err != nil {
		panic(err)
	}
	testscript.Main(leakChecked{m}, map[string]func(){"fernmesh": main, "probe": probe})
}

// leakChecked fails the tests if a goroutine is left after them.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               scriptSetup,
		Deadline:            time.Now().Add(5 * time.Minute),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits,
			"plain": scriptPlain,
			"node":  scriptNode,
			"relay": scriptRelay,
			"write": scriptWrite,
			"fill":  scriptFill,
		},
	})
}

// scriptSetup gives each script its own discovery port, state and home, on
// the loopback interface, so that scripts never meet.
func scriptSetup(env *testscript.Env) error {
	port, err := freeUDPPort()
	if err != nil {
		return err
	}
	loopback, err := loopbackInterface()
	if err != nil {
		return err
	}
	env.Values[nodesKey{}] = map[string]*nodeProcess{}
	env.Setenv("GORACE", os.Getenv("GORACE"))
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	env.Setenv("FERNMESH_ADVERT_PORT", strconv.Itoa(port))
	env.Setenv("FERNMESH_INTERFACES", loopback)
	return closeKeyFiles(env.WorkDir)
}

// closeKeyFiles gives the key files that came with a script the mode they need.
func closeKeyFiles(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.key"))
	for _, f := range files {
		err = errors.Join(err, os.Chmod(f, 0o600))
	}
	return err
}

// scriptExits runs a command and checks its exit code: exits 3 fernmesh peers
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptPlain checks that what was printed last has no control byte but
// newline, and nothing else that a terminal would act on.
func scriptPlain(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range []string{"stdout", "stderr"} {
		if bad := unprintable(ts.ReadFile(file)); bad != "" {
			ts.Fatalf("%s holds %s", file, bad)
		}
	}
}

// unprintable names the first thing in s that must not reach a terminal.
func unprintable(s string) string {
	if !utf8.ValidString(s) {
		return "bytes that are not UTF-8"
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsGraphic(r) {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// scriptFill makes a file of many equal pieces: fill FILE COUNT TEXT
func scriptFill(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(text, n)), 0o600))
}

// scriptNode starts "fernmesh serve" and waits until it is ready: node NAME
// [FLAG...]. It sets the variable NAME_port and keeps the ready line in the
// file NAME.ready. "! node NAME" stops it, "! node NAME INT" by a signal, and
// it must then end with exit code 0.
func scriptNode(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	if neg {
		n := nodes(ts)[name]
		if len(args) > 1 {
			ts.Check(n.cmd.Process.Signal(os.Interrupt))
		}
		ts.Check(n.Close())
		return
	}
	cmd := exec.Command("fernmesh", append([]string{"serve", "--name", name, "--output", "json", "--until-eof"}, args[1:]...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	n, line, err := startNode(cmd)
	ts.Check(err)
	ts.Defer(func() { _ = n.Close() })
	nodes(ts)[name] = n
	ts.Check(os.WriteFile(ts.MkAbs(name+".ready"), line, 0o600))
	if port := portPattern.FindSubmatch(line); port != nil { // without the LAN there is none
		ts.Setenv(name+"_port", string(port[1]))
	}
}

// scriptRelay starts a relay on the loopback interface: relay NAME [ADDRESS]. It
// sets the variables NAME_relay, its address with the pin, and NAME_port. "! relay
// NAME" stops it.
func scriptRelay(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	if neg {
		ts.Check(nodes(ts)[name].Close())
		return
	}
	cmd := exec.Command("fernmesh", demoRelay)
	if len(args) > 1 {
		cmd.Args = append(cmd.Args, "--listen", args[1])
	}
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	n, line, err := startNode(cmd)
	ts.Check(err)
	ts.Defer(func() { _ = n.Close() })
	nodes(ts)[name] = n
	var ready readyLine
	ts.Check(json.Unmarshal(line, &ready))
	ts.Setenv(name+"_relay", ready.Address)
	ts.Setenv(name+"_port", strconv.Itoa(ready.Port))
}

// scriptWrite makes a file of one line: write FILE TEXT
func scriptWrite(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+"\n"), 0o600))
}

// portPattern finds the port in a ready line of either form.
var portPattern = regexp.MustCompile(`:(\d+)[;"]`)

// scriptVariables are those that nodes of a script get as well.
var scriptVariables = []string{
	"HOME", "PATH", "TMPDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "FERNMESH_ADVERT_PORT", "FERNMESH_INTERFACES",
	"FERNMESH_KEY_FILE", "FERNMESH_KEY", "FERNMESH_NETWORK", "FERNMESH_NO_LAN", "FERNMESH_CONFIG",
	"FERNMESH_RELAYS", "FERNMESH_POLICY",
}

func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range scriptVariables {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// nodes are the running nodes of a script, by name.
func nodes(ts *testscript.TestScript) map[string]*nodeProcess {
	return ts.Value(nodesKey{}).(map[string]*nodeProcess)
}

type nodesKey struct{}

// nodeProcess is a running "fernmesh serve".
type nodeProcess struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *lockedBuffer
	exited chan error
}

// startNode starts a node process and returns its ready line.
func startNode(cmd *exec.Cmd) (*nodeProcess, []byte, error) {
	return startNodeSaying(cmd, &lockedBuffer{})
}

// startNodeSaying is startNode with a place for what the process says on standard error.
func startNodeSaying(cmd *exec.Cmd, stderr *lockedBuffer) (*nodeProcess, []byte, error) {
	n := &nodeProcess{cmd: cmd, stderr: stderr, exited: make(chan error, 1)}
	cmd.Stderr = n.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	n.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	patience := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer patience.Stop()
	r := bufio.NewReader(stdout)
	line, err := r.ReadBytes('\n')
	go func() {
		_, _ = io.Copy(io.Discard, r)
		n.exited <- cmd.Wait()
	}()
	if err != nil {
		_ = n.Close()
		return nil, nil, fmt.Errorf("the node was not ready: %w: %s", err, n.stderr)
	}
	return n, line, nil
}

// Close stops the node by the end of its standard input and returns how it ended.
func (n *nodeProcess) Close() error {
	_ = n.stdin.Close()
	select {
	case err := <-n.exited:
		n.exited <- err
		return err
	case <-time.After(20 * time.Second):
		_ = n.cmd.Process.Kill()
		return errors.New("the node did not stop")
	}
}
