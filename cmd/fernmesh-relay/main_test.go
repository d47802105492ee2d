package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// The scripts in testdata run the real program, in processes of its own.
func TestMain(m *testing.M) {
	// Under -race each process that a test starts would sleep a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=10"); err != nil {
		panic(err)
	}
	testscript.Main(leakChecked{m}, map[string]func(){"fernmesh-relay": main})
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
		Deadline:            time.Now().Add(5 * time.Minute),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": scriptExits},
	})
}

// scriptExits runs a command and checks its exit code: exits 3 fernmesh-relay serve
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// process is a running relay.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	stdout  *bufio.Reader
	address relay.Address // of the line it printed
}

// start runs a relay on loopback that keeps its state in dir.
func start(t *testing.T, dir string, flags ...string) *process {
	t.Helper()
	args := append([]string{"serve", "--state-dir", dir, "--listen", "127.0.0.1:0", "--ops-listen", "off", "--until-eof"}, flags...)
	p := &process{t: t, cmd: exec.Command("fernmesh-relay", args...)}
	p.cmd.Stderr = &p.stderr
	stdin, err := p.cmd.StdinPipe() // closed with this process, whatever becomes of it
	stdout, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err, err2, p.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = p.cmd.Wait()
	})
	p.stdout = bufio.NewReader(stdout)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no line: %v; %s", err, p.stderr.String())
	}
	if p.address, err = relay.ParseAddress(strings.TrimSuffix(line, "\n")); err != nil || !p.address.Pinned {
		t.Fatalf("the line %q: %v", line, err)
	}
	return p
}

// end sends a signal and checks that the relay ends well and in time.
func (p *process) end(signal os.Signal) {
	p.t.Helper()
	start := time.Now()
	rest, err := "", p.cmd.Process.Signal(signal)
	if err == nil {
		var b []byte
		b, err = io.ReadAll(p.stdout)
		rest = string(b)
	}
	if err := errors.Join(err, p.cmd.Wait()); err != nil || rest != "" || p.stderr.Len() > 0 {
		p.t.Errorf("%v; it printed %q and %q", err, rest, p.stderr.String())
	}
	if d := time.Since(start); d > 12*time.Second {
		p.t.Errorf("it ended after %v", d)
	}
}

// quiet is a handler that moves to no other relay, but hears that it should.
type quiet struct {
	drained  chan time.Duration
	accepted chan *relay.Channel
	up       chan relay.Addr
}

func (q quiet) Up(a relay.Addr)          { q.up <- a }
func (quiet) Down(relay.Addr)            {}
func (quiet) Casted(relay.Addr, []byte)  {}
func (q quiet) Accept(c *relay.Channel)  { q.accepted <- c }
func (q quiet) Draining(d time.Duration) { q.drained <- d }

// join connects a client to the address that the relay printed.
func (p *process) join(n *crypto.Schedule) (*relay.Client, quiet) {
	p.t.Helper()
	q := quiet{make(chan time.Duration, 4), make(chan *relay.Channel, 4), make(chan relay.Addr, 4)}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := relay.Connect(ctx, relay.Config{
		Address: p.address, Handler: q, Room: func(id relay.ID) *crypto.Room { return n.Room(id) },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run() // ends with the relay
	}()
	p.t.Cleanup(func() {
		c.Close(nil)
		<-done
	})
	return c, q
}

// S4-26: what "serve" prints is all that two members need to talk. S4-30: and
// after a thousand records neither output nor state holds anything of them.
func TestS4_26_S4_30_ServeForwardsAndKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	p, n := start(t, dir), crypto.Derive(crypto.GenerateKey(), "canary-network")
	alice, q := p.join(n)
	bob, bobs := p.join(n)
	<-q.up
	<-bobs.up // bob opens nothing to who is not up
	out, err := bob.Open(alice.Self())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.WriteRecord(make([]byte, 112)), bob.Cast([]byte("canary-token"))); err != nil {
		t.Fatal(err)
	}
	in := <-q.accepted
	for range 1000 {
		if err := out.WriteRecord([]byte("canary-record")); err != nil {
			t.Fatal(err)
		}
	}
	for range 1001 {
		if _, err := in.ReadRecord(1 << 10); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		<-q.drained
		alice.Close(nil)
		bob.Close(nil)
	}()
	p.end(syscall.SIGTERM)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != identityFile {
		t.Errorf("the state directory holds %v, %v", files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil || bytes.Contains(text, []byte("canary")) || len(text) > 1000 {
		t.Errorf("the identity file holds %q, %v", text, err)
	}
}

// S4-32: killed and started again, the relay is the same to those who pinned it.
func TestS4_32_IdentityIsKept(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	_ = first.cmd.Process.Kill()
	_ = first.cmd.Wait()
	second := start(t, dir)
	if first.address.Pin != second.address.Pin {
		t.Errorf("the pin was %x and is %x", first.address.Pin, second.address.Pin)
	}
	second.join(crypto.Derive(crypto.GenerateKey(), "home"))
	other := start(t, t.TempDir())
	if other.address.Pin == first.address.Pin {
		t.Error("another state directory gives the same relay")
	}
}

// R9: clients that stay do not hold up the end for more than the drain time.
func TestR9_DrainEndsInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the drain time of 10 s")
	}
	p := start(t, t.TempDir())
	_, q := p.join(crypto.Derive(crypto.GenerateKey(), "home"))
	p.end(os.Interrupt)
	if after := <-q.drained; after <= 0 {
		t.Errorf("come back after %v", after)
	}
}
