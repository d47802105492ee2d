package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// These tests look at processes through /proc.

// An interrupted demo ends its nodes and removes its files.
func TestInterruptedDemo(t *testing.T) {
	p := newPlace(t)
	cmd := p.command("demo")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := waitForChildren(t, cmd)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("ended with %v", err)
	}
	if want := "fernmesh: error: interrupted\nfernmesh: hint: nothing is left behind\n"; stderr.String() != want {
		t.Errorf("it said %q, want %q", stderr.String(), want)
	}
	expectGone(t, p, pids)
}

// Nodes of a demo do not outlive it, even if it is killed.
func TestKilledDemo(t *testing.T) {
	p := newPlace(t)
	cmd := p.command("demo")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := waitForChildren(t, cmd)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range pids {
		waitUntil(t, "the node process is gone", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
	}
}

// Neither a process list nor any output shows a key that the demo hands over (R39).
func TestR39_DemoShowsNoKey(t *testing.T) {
	p := newPlace(t)
	cmd := p.command("demo")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	var key string
	for _, pid := range append(waitForChildren(t, cmd), cmd.Process.Pid) {
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + file)
			seen.Write(text)
		}
	}
	files, _ := filepath.Glob(filepath.Join(p.dir, "fernmesh-demo-*", "demo.key"))
	if len(files) == 1 {
		text, _ := os.ReadFile(files[0])
		key = strings.TrimSpace(string(text))
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("demo: %v: %s", err, out.String())
	}
	_, _ = io.Copy(&seen, &out)
	if key == "" || seen.Len() == 0 {
		t.Fatal("the key or the processes were not seen")
	}
	if bytes.Contains(seen.Bytes(), []byte(key)) {
		t.Error("the key is shown")
	}
}

// waitForChildren returns the process ids of the nodes and the relay of a demo, once all are there.
func waitForChildren(t *testing.T, demo *exec.Cmd) []int {
	t.Helper()
	var pids []int
	waitUntil(t, "the demo has its nodes", func() bool {
		pids = childrenOf(demo.Process.Pid)
		return len(pids) == demoProcesses
	})
	return pids
}

// childrenOf reads the children of a process from /proc.
func childrenOf(pid int) []int {
	id := strconv.Itoa(pid)
	tasks, _ := filepath.Glob("/proc/" + id + "/task/*/children")
	var pids []int
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// isZombie reports whether a process has ended and only waits to be collected.
func isZombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func expectGone(t *testing.T, p place, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "fernmesh-demo-*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
