package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// variables are the environment of the place.
func (p place) variables() map[string]string {
	env := map[string]string{}
	for _, v := range p.env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env
}

// nodeIn starts a node of this process that the programs of a place find.
func (p place) nodeIn(t *testing.T, name string) *node.Node {
	t.Helper()
	env := p.variables()
	ring, err := crypto.LoadRing(filepath.Join(p.dir, "home.key"))
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(env["FERNMESH_ADVERT_PORT"])
	n, err := node.New(node.Config{
		Name: name, Network: "home", Keys: ring, NoMDNS: true,
		AdvertPort: port, Interfaces: []string{env["FERNMESH_INTERFACES"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// exits runs the program, within this process, and checks its exit code.
func (p place) exits(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	env := p.variables()
	env["FERNMESH_CONFIG"] = filepath.Join(p.dir, "none.toml")
	var out, said strings.Builder
	m := &Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, Getenv: func(name string) string { return env[name] }}
	if err := os.WriteFile(env["FERNMESH_CONFIG"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := m.Run(t.Context(), args); got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, said.String())
	}
	for _, text := range []string{out.String(), said.String()} {
		if bad := unprintable(text); bad != "" {
			t.Errorf("%q printed %s", args, bad)
		}
	}
	return out.String(), said.String()
}

func TestHealthShowsFailingChecks(t *testing.T) {
	p := newPlace(t)
	sick := p.nodeIn(t, "cellar")
	p.nodeIn(t, "kitchen")
	for name, err := range map[string]error{"disk": nil, "database": errors.New("\x1b[2J\nno answer"), "doore": errors.New(strings.Repeat("x", 5000))} {
		if err := sick.AddHealthCheck(name, func(context.Context) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
	out, said := p.exits(t, exitFailure, "health")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	for i, want := range [][]string{
		{"NODE", "STATUS", "CHECK", "TIME", "RESULT"}, {"cellar", "failing", "database", "ms", `failed: \x1b[2J\nno answer`},
		{"disk", "ok"}, {"doore", "failed: xxx", "…"}, {"kitchen", "ok"},
	} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("line %d is %q, want %q in it", i, lines[i], w)
			}
		}
	}
	if len(lines[3]) > 400 {
		t.Errorf("a line of %d bytes", len(lines[3]))
	}
	if !strings.HasPrefix(said, "fernmesh: error: 1 of 2 nodes are not ok\n") {
		t.Errorf("it said %q", said)
	}
	out, _ = p.exits(t, exitFailure, "health", "cellar", "--output", "json")
	if !strings.Contains(out, `"disk":{"ms":`) || !strings.Contains(out, `"status":"failing"`) {
		t.Errorf("JSON: %s", out)
	}
	p.exits(t, exitOK, "health", "kitchen")
}

// hostile is what a node might answer that means harm.
var hostile = map[string]any{
	"path": "a\x1b[2J", "doc": "first\x1b]0;x\a\nsecond\u202e", "idempotent": "yes", "streams": []any{"in\n", "out"}, "rights": []any{"admin\x1b", 7},
	"arguments": []any{"b\r", 3, "b\r", nil}, "output": map[string]any{"type": "x\x1b"},
	"input": map[string]any{"properties": map[string]any{"b\r": map[string]any{"type": []any{nil, "\u009b"}, "description": 7}}, "required": "b"},
}

// Whatever a node answers to the questions about it is shown escaped, and no
// kind of value that is not the expected one does harm.
func TestHostileAnswersAboutANode(t *testing.T) {
	p := newPlace(t)
	n := p.nodeIn(t, "evil")
	var answer any
	for _, path := range []string{"__describe__", "__stats__", "__health__", "__list_commands__"} {
		err := n.Commands().Handle(path, func(context.Context, *commands.Call) (any, error) { return answer, nil }, commands.Force())
		if err != nil {
			t.Fatal(err)
		}
	}
	deep := any("x")
	for range 28 {
		deep = map[string]any{"type": "array", "items": deep}
	}
	for _, v := range []any{
		nil, 7, "\x1b", []any{}, hostile, map[string]any{"commands": []any{hostile, nil, 7}, "more": -1}, map[string]any{"commands": map[string]any{"\x1b": 7, "\u202e": map[string]any{
			"calls": "\x1b", "mean_ms": "\x1b", "last_error": map[string]any{"code": 7, "text": "\x1b\n"}}}, "other": 7},
		map[string]any{"status": "o\x1bk", "checks": map[string]any{"\x1b": 7, "\n": map[string]any{"ok": 1, "error": "\x1b", "ms": "\x1b"}}},
		map[string]any{"input": deep, "output": map[string]any{"anyOf": []any{deep, 7}}},
	} {
		answer = v
		for _, words := range [][]string{{"tree"}, {"tree", "evil"}, {"describe", "evil", "x"}, {"stats"}, {"stats", "evil"}} {
			p.exits(t, exitOK, words...)
		}
		p.exits(t, exitFailure, "health")
		p.exits(t, exitFailure, "health", "evil", "--output", "json")
	}
	answer = hostile
	out, _ := p.exits(t, exitOK, "describe", "evil", "x")
	for _, want := range []string{"streams: in\\n, out\n", "needs the rights: admin\\x1b, 7\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	answer = map[string]any{"commands": []any{map[string]any{"path": "a.b", "doc": "One.\nTwo.", "idempotent": true, "streams": true, "rights": []any{"r"}}}, "more": 3}
	out, _ = p.exits(t, exitOK, "tree", "evil")
	want := "COMMAND  MARKS                           ABOUT\na.b      idempotent, streams, rights: r  One.\nand 3 more; \"fernmesh describe TARGET GROUP\" shows those of a group\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("tree:\n%s", diff)
	}
}

func TestSignatures(t *testing.T) {
	for schemas, want := range map[string]string{
		`{}`:                          "x(…)",
		`{"input":{"type":"object"}}`: "x(…)",
		`{"input":{"type":"object","additionalProperties":false},"output":{}}`: "x() → any",
		`{"arguments":["b","a"],"input":{"properties":{"a":{"type":["null","array"],"items":{"type":"string"}},"b":{"type":"integer"}},"required":["b"],"additionalProperties":false},
		  "output":{"type":["null","object"],"additionalProperties":{"type":"string","format":"date-time"}}}`: "x(b: integer, a?: [text] | null) → {text: time} | null",
		`{"input":{"properties":{"p":{"type":"object","properties":{"X":{"type":"number"},"d":{"type":"string","contentEncoding":"base64"}},"required":["X"],"additionalProperties":false}}}}`: "x(p?: {X: number, d?: bytes}, …)",
		`{"output":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/Node1"}]}}`:                                                   "x(…) → null | Node1",
		`{"output":{"enum":["a",true,null]}}`:                                                                               `x(…) → "a" | true | null`,
		`{"output":{"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"array","items":{}}}}}}`: "x(…) → [[[…]]]",
	} {
		var d map[string]any
		if err := json.Unmarshal([]byte(schemas), &d); err != nil {
			t.Fatal(err)
		}
		if got := signature("x", d); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", schemas, got, want)
		}
	}
	wide := map[string]any{}
	for i := range 1000 {
		wide["p"+strconv.Itoa(i)] = map[string]any{"type": "object", "properties": map[string]any{strings.Repeat("x", 1000): wide}}
	}
	if got := signature("x", map[string]any{"input": map[string]any{"properties": wide}, "output": map[string]any{"type": "object", "properties": wide}}); len(got) > maxSignature+10 {
		t.Errorf("a signature of %d bytes", len(got))
	}
}
