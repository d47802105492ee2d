package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A program ends with all that it started: when its time is up, when it leaves
// others behind that hold its output, and when its caller gives up.
func TestProgramsEndWithTheirGroup(t *testing.T) {
	p := newPlace(t)
	config := filepath.Join(p.dir, "ops.toml")
	text := "[commands.time.up]\nrun = ['probe', 'spawn', 'time.up', 'stay']\ntimeout = '500ms'\n" +
		"[commands.left.behind]\nrun = ['probe', 'spawn', 'left.behind']\n" +
		"[commands.given.up]\nrun = ['probe', 'spawn', 'given.up', 'stay']\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _, err := startNode(p.command("serve", "--name", "kitchen", "--config", config, "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for command, want := range map[string]string{
		"time.up":     "DEADLINE_EXCEEDED: the program did not end within 500ms and was stopped (did run)",
		"left.behind": "UNKNOWN: the program ended, but what it started kept its output open (did run)",
		"given.up":    "fernmesh: error: interrupted",
	} {
		t.Run(command, func(t *testing.T) {
			cmd := p.command("call", "kitchen", command, "--timeout", "20s")
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pids [2]int
			waitUntil(t, "the program has a child", func() bool {
				text, _ := os.ReadFile(filepath.Join(p.dir, command))
				n, _ := fmt.Sscan(string(text), &pids[0], &pids[1])
				return n == 2
			})
			if command == "given.up" {
				_ = cmd.Process.Signal(os.Interrupt)
			}
			_ = cmd.Wait()
			if !strings.Contains(said.String(), want) {
				t.Errorf("the caller was told %q, want %q", said.String(), want)
			}
			for _, pid := range pids {
				waitUntil(t, "the process is gone", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
			}
		})
	}
}

// Only so many run at a time; the others are told to come back.
func TestProgramsAtOnce(t *testing.T) {
	p := newPlace(t)
	config := filepath.Join(p.dir, "ops.toml")
	if err := os.WriteFile(config, []byte("[commands.wait]\nrun = ['probe', 'spawn', 'wait', 'stay']\nat_once = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _, err := startNode(p.command("serve", "--name", "kitchen", "--config", config, "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	first := p.command("call", "kitchen", "wait", "--timeout", "20s")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the first runs", func() bool { _, err := os.Stat(filepath.Join(p.dir, "wait")); return err == nil })
	out, _ := p.command("call", "kitchen", "wait").CombinedOutput()
	if want := "RESOURCE_EXHAUSTED: 1 of these run already, and no more are allowed at a time (did not run)\nfernmesh: hint: try again after 1s\n"; !strings.Contains(string(out), want) {
		t.Errorf("the second was told %q, want %q", out, want)
	}
	_ = first.Process.Signal(os.Interrupt)
	_ = first.Wait()
	waitUntil(t, "another may run when the first has ended", func() bool {
		out, _ := p.command("call", "kitchen", "wait", "--timeout", "300ms").CombinedOutput()
		return strings.Contains(string(out), "DEADLINE_EXCEEDED")
	})
}
