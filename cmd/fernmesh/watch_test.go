package main

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime"
	"testing"
	"time"
)

// A watch tells of a node that comes and goes, and ends well by an interrupt.
func TestWatch(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process of this system cannot be interrupted by another")
	}
	p := newPlace(t)
	start := func(name string) *nodeProcess {
		n, _, err := startNode(p.command("serve", "--name", name, "--until-eof"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	defer start("kitchen").Close()
	watch := p.command("watch", "--output", "json")
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(30*time.Second, func() { _ = watch.Process.Kill() })
	defer patience.Stop()
	lines := bufio.NewScanner(stdout)
	expect := func(event, name string) {
		t.Helper()
		for lines.Scan() {
			var e struct{ Event, Node, Key, Reason, Time string }
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			if e.Event != event || e.Node != name {
				continue
			}
			if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil || e.Key == "" || e.Reason == "" {
				t.Errorf("%s", lines.Text())
			}
			return
		}
		t.Fatalf("it told nothing of %s that %s", name, event)
	}
	expect("known", "kitchen")
	cellar := start("cellar")
	expect("joined", "cellar")
	if err := cellar.Close(); err != nil {
		t.Error(err)
	}
	expect("left", "cellar")
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Errorf("an interrupted watch: %v", err)
	}
}
