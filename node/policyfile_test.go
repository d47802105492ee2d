package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/policy"
)

func write(t *testing.T, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// policyEvents collects the events about the policy.
func policyEvents(t *testing.T, n *Node) func() []string {
	ctx, cancel := context.WithCancel(context.Background())
	events := n.Events(ctx)
	var got []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range events {
			if ev.Kind == PolicyChanged {
				got = append(got, ev.Detail)
			}
		}
	}()
	return func() []string {
		synctest.Wait()
		cancel()
		<-done
		return got
	}
}

func TestAPolicyFileIsReloadedWhileCallsRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules")
	inMesh(t, func(t *testing.T, m *mesh) {
		write(t, file, "no: deny * on door")
		b := m.start("b", func(c *Config) { c.PolicyFile = file })
		a := m.start("a")
		handle(t, b, "door", answer("open"))
		events := policyEvents(t, b)
		wantRefusal(t, a, "b", "door", commands.PermissionDenied, "no")

		write(t, file, "ok: allow * on door")
		time.Sleep(1500 * time.Millisecond)
		wantValue(t, a, "b", "door", "open")

		write(t, file, "ok: alow * on door", "deny") // broken: the rules before stay
		time.Sleep(1500 * time.Millisecond)
		wantValue(t, a, "b", "door", "open")
		time.Sleep(time.Minute) // is told once
		if s := b.Stats(); s.PolicyReloads != 1 || s.PolicyReloadsFailed != 1 {
			t.Errorf("%d reloads, %d failed", s.PolicyReloads, s.PolicyReloadsFailed)
		}

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		wantValue(t, a, "b", "door", "open")

		next := file + ".new" // replaced whole, as editors do
		write(t, next, "no: deny * on **")
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		wantRefusal(t, a, "b", "door", commands.PermissionDenied, "no")
		if s := b.Stats(); s.PolicyReloads != 2 || s.PolicyReloadsFailed != 2 {
			t.Errorf("%d reloads, %d failed", s.PolicyReloads, s.PolicyReloadsFailed)
		}
		got := events()
		for i, want := range []string{"in force: ", "broken, the rules before it stay in force: " + file + ":1: the line is no statement (and 1 more)", "broken, ", "in force: "} {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Fatalf("events %q, want %q at %d", got, want, i)
			}
		}
	})
}

func TestReloadOnDemand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules")
	inMesh(t, func(t *testing.T, m *mesh) {
		write(t, file, "slow: allow * on tick rate=1/h")
		b := m.start("b", func(c *Config) { c.PolicyFile = file; c.Timers.PolicyPoll = 24 * time.Hour })
		a := m.start("a")
		handle(t, b, "tick", answer("tock"))
		wantValue(t, a, "b", "tick", "tock")
		write(t, file, "# a comment", "still: allow * on tick rate=1/h")
		if err := b.ReloadPolicy(); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, a, "b", "tick", commands.ResourceExhausted, "still") // what was used up stays so
		write(t, file, "x")
		var syntax *policy.SyntaxError
		if err := b.ReloadPolicy(); !errors.As(err, &syntax) || !strings.Contains(err.Error(), file) {
			t.Errorf("%v", err)
		}
		wantRefusal(t, a, "b", "tick", commands.ResourceExhausted, "still")
		if err := a.ReloadPolicy(); err == nil {
			t.Error("a node without a file reloads one")
		}
	})
}

func TestAPolicyFileMustBeThereAndRight(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		cfg := m.config("a", m.host("a"))
		cfg.PolicyFile = filepath.Join(t.TempDir(), "none")
		var bad *ConfigError
		if _, err := New(cfg); !errors.As(err, &bad) || bad.Field != "PolicyFile" {
			t.Errorf("%v", err)
		}
		write(t, cfg.PolicyFile, "default deny", "allow")
		if _, err := New(cfg); !errors.As(err, &bad) || !strings.Contains(bad.Reason, cfg.PolicyFile+":2: ") {
			t.Errorf("%v", err)
		}
	})
}

// In real time, with real files: a change is seen although size and time of
// the file are those of before.
func TestAChangeOfTheSameSizeAndTimeIsSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules")
	write(t, file, "allow * on a")
	n, err := New(Config{
		Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey()), NoLAN: true, Listen: "127.0.0.1:0",
		PolicyFile: file, Timers: Timers{PolicyPoll: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, n) })
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "allow * on b")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for n.Stats().PolicyReloads == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the change is not seen")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
