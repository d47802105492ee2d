package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func run(stdout io.Writer, args ...string) (code int, stderr string) {
	var b bytes.Buffer
	m := &Main{Stdin: strings.NewReader(""), Stdout: stdout, Stderr: &b, Getenv: func(string) string { return "" }}
	return m.Run(context.Background(), args), b.String()
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"keygen"}, {"version"}, {"version", "--output", "json"}, {"help"}, {"completion", "zsh"}} {
		code, stderr := run(broken{errors.New("disk full")}, args...)
		want := "fernmesh: error: cannot write the output: disk full\nfernmesh: hint: see whether the disk is full or the reading program has ended\n"
		if code != exitFailure || stderr != want {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}

// Each error comes with a hint, each on one line.
func TestEveryErrorHasAHint(t *testing.T) {
	for _, args := range [][]string{
		{}, {"nonsense"}, {"help", "x"}, {"peers"}, {"peers", "x"}, {"peers", "--x"}, {"peers", "-x"}, {"peers", "-"}, {"peers", "--="},
		{"peers", "--timeout"}, {"peers", "--timeout", "x"}, {"ping"}, {"ping", "--count", "x", "y"}, {"call"}, {"call", "x"},
		{"call", "", "y"}, {"call", ",", "y"}, {"call", "x", "y", "1e999"}, {"describe", "x"}, {"keygen", "x"}, {"serve", "x"},
		{"peers", "--config", "/no/such/file"}, {"peers", "--key-file", "/no/such/file"}, {"completion"}, {"completion", "csh"}, {"version", "--output", "x"},
		{"init", "--name", "a.b", "--config", "/no/such"}, {"init", "--config", "/dev/null/x", "--name", "a"}, {"init", "x"}, {"invite"}, {"join"}, {"join", "x"},
		{"join", "fernmesh1:AAAA"}, {"join", "--yes"}, {"relay-room"}, {"relay-room", "x y"}, {"relay-room", "a,b"}, {"peers", "--relay", "::"}, {"peers", "--max-relays", "x"},
		{"demo-relay", "x"}, {"demo-relay", "--listen", "x"}, {"serve", "--relay", "a,,b"}, {"tree", ","}, {"stats", ","}, {"stats", "a", "b", "c"}, {"health", ""}, {"health", ",", ","},
		{"status", ""}, {"status", "--count", "1"}, {"status", "--local", "--count", "-1"}, {"keys"}, {"keys", "list"}, {"keys", "x"}, {"keys", "add", "--from"}, {"keys", "retire"}, {"watch", "--local", "--state-dir", "/no/such", "--name", "a"},
	} {
		code, stderr := run(io.Discard, args...)
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		if code == exitOK || len(lines) != 2 || !strings.HasPrefix(lines[0], "fernmesh: error: ") || !strings.HasPrefix(lines[1], "fernmesh: hint: ") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
}
