package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

// machine is a place for one node that shares a LAN with other places: a
// directory, a key file and a state of its own.
func (p place) machine(t *testing.T, name string) place {
	t.Helper()
	m := place{dir: filepath.Join(p.dir, name)}
	for _, v := range p.env {
		switch variable, _, _ := strings.Cut(v, "="); variable {
		case "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME":
			v = variable + "=" + m.dir
		case "FERNMESH_KEY_FILE":
			v = variable + "=" + m.key()
		}
		m.env = append(m.env, v)
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	copyKey(t, filepath.Join(p.dir, "home.key"), m.key())
	return m
}

func (p place) key() string { return filepath.Join(p.dir, "home.key") }

func copyKey(t *testing.T, from, to string) {
	t.Helper()
	ring, err := crypto.LoadRing(from)
	if err == nil {
		err = crypto.SaveRing(to, ring)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ok runs the program, which must succeed.
func (p place) ok(t *testing.T, args ...string) string {
	t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v, %s", args, err, stderr.String())
	}
	return string(out)
}

// keepCalling calls a node again and again until done is closed, and returns how
// many calls it made and the first that failed.
func (p place) keepCalling(target string, done <-chan struct{}) (made int, failed error) {
	for {
		select {
		case <-done:
			return made, failed
		default:
		}
		out, err := p.command("call", target, "math.add", "1", "2").CombinedOutput()
		if made++; failed == nil && (err != nil || string(out) != "3\n") {
			failed = fmt.Errorf("call to %s: %w: %s", target, err, out)
		}
	}
}

// The key of a network is changed on three machines, in the steps that "keys"
// names, while calls go on between them: none fails. A machine that was off
// meanwhile is told what to do.
func TestR20_RotationOfRealNodes(t *testing.T) {
	lan := newPlace(t)
	names := []string{"kitchen", "cellar", "attic"}
	var all []place
	for _, name := range names {
		p := lan.machine(t, name)
		n, _, err := startNode(p.command("serve", "--name", name, "--until-eof"))
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		all = append(all, p)
	}
	asleep := lan.machine(t, "barn")
	done := make(chan struct{})
	var callers sync.WaitGroup
	for i, p := range all[:2] {
		callers.Go(func() {
			made, failed := p.keepCalling(names[i+1], done)
			t.Logf("%d calls from the machine of %s", made, names[i])
			if made == 0 || failed != nil {
				t.Errorf("%d calls, the first that failed: %v", made, failed)
			}
		})
	}
	changeKeys(t, names, all)
	close(done)
	callers.Wait()
	wokenUp(t, asleep, all[0])
}

// changeKeys takes the steps, each on every machine before the next.
func changeKeys(t *testing.T, names []string, all []place) {
	t.Helper()
	out := all[0].ok(t, "keys", "add")
	young, _, _ := strings.Cut(out, " ")
	if !strings.Contains(out, "node kitchen uses it now\n") {
		t.Errorf("keys add: %s", out)
	}
	old, _, _ := strings.Cut(strings.Split(all[0].ok(t, "keys", "list"), "\n")[1], " ")
	for i, p := range all[1:] {
		copyKey(t, all[0].key(), p.key())
		if out := p.ok(t, "keys", "reload"); out != "node "+names[i+1]+" uses it now\n" {
			t.Errorf("keys reload: %s", out)
		}
	}
	for _, step := range [][]string{{"keys", "promote", young}, {"keys", "retire", old}} {
		for i, p := range all {
			if out := p.ok(t, step...); !strings.HasSuffix(out, "node "+names[i]+" uses it now\n") {
				t.Errorf("%q: %s", step, out)
			}
		}
	}
}

// wokenUp is what a machine sees that slept while the key was changed, with and
// without an address of another.
func wokenUp(t *testing.T, asleep, awake place) {
	t.Helper()
	n, _, err := startNode(asleep.command("serve", "--name", "barn", "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	call := asleep.command("call", "kitchen", "time.now", "--timeout", "6s")
	var said bytes.Buffer
	call.Stderr = &said
	if err := call.Start(); err != nil {
		t.Fatal(err)
	}
	late, _, err := startNode(awake.command("serve", "--name", "loft", "--until-eof")) // is heard at once, others every 10 s
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	var exit *exec.ExitError
	if err := call.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitUnreachable || !strings.Contains(said.String(),
		"hint: check the name; nodes with another key are heard on this LAN: if the network's key was changed, put the new key file on this machine") {
		t.Errorf("a call without an address: %v, %s", err, said.String())
	}
	if err := n.Close(); err != nil || !strings.Contains(n.stderr.String(), "fernmesh: nodes with another key are heard on this LAN, and none with the key of this node\n") {
		t.Errorf("the node itself: %v, it said %q", err, n.stderr)
	}
	copyKey(t, awake.key(), asleep.key())
	if out := asleep.ok(t, "call", "kitchen", "math.add", "1", "2"); out != "3\n" {
		t.Errorf("with the new file: %s", out)
	}
}

// A SIGHUP has a node read its key file and its policy again, and does not end it.
func TestHangupReloads(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no SIGHUP")
	}
	p := newPlace(t)
	rules := filepath.Join(p.dir, "house.policy")
	if err := os.WriteFile(rules, []byte("default allow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := p.command("serve", "--name", "kitchen", "--policy", rules, "--until-eof")
	said := &lockedBuffer{}
	n, _, err := startNodeSaying(cmd, said)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	hangup := func(want string) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, "it says "+want, func() bool { return strings.Contains(said.String(), want) })
	}
	hangup("fernmesh: the keys of " + p.key() + " are in force\nfernmesh: the policy of " + rules + " is in force\n")
	if err := errors.Join(os.WriteFile(p.key(), []byte("nonsense\n"), 0o600), os.WriteFile(rules, []byte("nonsense\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	hangup("fernmesh: the policy before stays in force: ")
	if !strings.Contains(said.String(), "fernmesh: the keys before stay in force: key file "+p.key()+": ") {
		t.Errorf("it said %s", said.String())
	}
	if strings.Contains(said.String(), "nonsense") {
		t.Error("what is in a key file was printed")
	}
	if err := n.Close(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Other commands end at a SIGHUP.
func TestHangupEndsACall(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no SIGHUP")
	}
	hangup := make(chan os.Signal, 1)
	var stderr bytes.Buffer
	m := &Main{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &stderr, Hangup: hangup, Getenv: func(name string) string {
		return map[string]string{"FERNMESH_KEY": crypto.GenerateKey().Reveal(), "FERNMESH_STATE_DIR": t.TempDir()}[name]
	}}
	hangup <- syscall.SIGHUP
	if code := m.Run(t.Context(), []string{"ping", "kitchen", "--no-lan", "--peer", "127.0.0.1:9", "--timeout", "1h"}); code != exitFailure || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d, %s", code, stderr.String())
	}
}

// lockedBuffer is what a process says while it runs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
