package main

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// attended is a node in this process with its control socket.
func attended(t *testing.T) (path string, notes *strings.Builder) {
	t.Helper()
	loopback, err := loopbackInterface()
	if err != nil {
		t.Fatal(err)
	}
	s := defaultSettings()
	s.stateDir, s.name = shortTempDir(t), "kitchen"
	n, err := node.New(node.Config{
		Name: s.name, Network: s.network, Keys: crypto.Ring(crypto.GenerateKey()), StateDir: s.stateDir,
		NoLAN: true, Listen: "127.0.0.1:0", Interfaces: []string{loopback},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	notes = &strings.Builder{}
	m := &Main{}
	m.err = &escapingWriter{to: notes}
	end := m.attend(n, &s)
	t.Cleanup(func() {
		end()
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	path, err = controlPath(s.stateDir, s.network, s.name)
	if err != nil {
		t.Fatal(err)
	}
	return path, notes
}

// shortTempDir is a directory whose name leaves room for that of a socket.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// say sends lines to a control socket and returns the first answer.
func say(t *testing.T, path, lines string) string {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(lines)) // the node may have hung up, which the answer shows
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("%.60q: %v", lines, err)
	}
	return answer
}

func TestControlRequests(t *testing.T) {
	path, _ := attended(t)
	if runtime.GOOS != "windows" {
		for file, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want mode %04o", file, info.Mode(), err, want)
			}
		}
	}
	for lines, want := range map[string]string{
		`{"do":"call","path":"__echo__","args":[1,{"$bytes":"aGk="}],"kwargs":{"a":"b"}}`: `"node":"kitchen","ok":true,"path":{"addr":"","kind":"self"},"value":{"args":[1,{"$bytes":"aGk="}],"kwargs":{"a":"b"}}`,
		`{"do":"call","path":"no.such"}`:              `"code":"NOT_FOUND"`,
		`{"do":"call"}`:                               "path is missing",
		`{"do":"call","path":"a","timeout_ms":60001}`: "timeout_ms must be 1 to 60000",
		`{"do":"call","path":7}`:                      "path is of the wrong type",
		`{"do":"events","path":"a"}`:                  "belongs to another request",
		`{"do":"stop"}`:                               "do must be",
		`{"do":"call","path":"__echo__","argz":[]}`:   "not known",
		`{"do":"reload-keys"}`:                        "FERNMESH_KEY",
		`{"do":"reload-keys","file":"/no/such"}`:      `"ok":true,"value":{"file":""}`,
		`[]`:                                          "no JSON object",
		`hello`:                                       "not JSON",
		`{"do":"` + strings.Repeat("x", maxControlRequest) + `"}`: "a request has at most 65536 bytes",
	} {
		if got := say(t, path, lines+"\n"); !strings.Contains(got, want) {
			t.Errorf("%.60s: %s, want %s in it", lines, got, want)
		}
	}
}

// One connection too many is refused, and does not keep others from being served.
func TestControlConnectionsAreBounded(t *testing.T) {
	path, _ := attended(t)
	var all []*localNode
	for range maxControlConns {
		l, err := dialLocal(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := l.ask(defaultTimeout, map[string]any{"do": "events"}); err != nil || answerError(answer) != nil {
			t.Fatal(answer, err)
		}
		all = append(all, l)
	}
	if got := say(t, path, ""); !strings.Contains(got, "RESOURCE_EXHAUSTED") {
		t.Errorf("one too many: %s", got)
	}
	for _, l := range all {
		l.close()
	}
	waitUntil(t, "there is a place again", func() bool {
		return strings.Contains(say(t, path, `{"do":"call","path":"__echo__"}`+"\n"), `"ok":true`)
	})
}

func TestControlSocketThatIsThere(t *testing.T) {
	dir := shortTempDir(t)
	path := filepath.Join(dir, controlSocket)
	first, err := listenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenControl(path); !errors.Is(err, errControlTaken) {
		t.Errorf("a socket that lives: %v", err)
	}
	_ = first.UnixListener.Close() // as a process that was killed: the file stays
	second, err := listenControl(path)
	if err != nil {
		t.Fatalf("a socket that is dead: %v", err)
	}
	_ = first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first removed the second's socket: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenControl(path); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := listenControl(filepath.Join(open, controlSocket)); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a directory that is open to others: %v", err)
	}
}

func TestControlPathThatIsTooLong(t *testing.T) {
	if _, err := controlPath("/"+strings.Repeat("x", maxSocketPath), "home", "kitchen"); !errors.Is(err, errSocketPath) {
		t.Errorf("got %v", err)
	}
	if _, err := controlPath("", "home", "kitchen"); err == nil {
		t.Error("no state directory, but a socket")
	}
}

// What another node says of its peers is shown whatever it is, and cannot move
// the cursor.
func TestPeerFieldsOfOthers(t *testing.T) {
	var out strings.Builder
	m := &Main{}
	m.out = &escapingWriter{to: &out}
	st := &statusRun{Main: m}
	err := st.printPeers([]any{
		map[string]any{
			"name": "attic\x1b[2J", "state": "ready", "state_code": int64(5), "a\nb": "c\rd", "reason": "",
			"paths": []any{
				map[string]any{"kind": "relay", "addr": "relay r.example:3376", "state": "up", "rtt_us": int64(1500), "chosen": true, "why": "the only\none"},
				"nonsense", map[string]any{"rtt_us": int64(-1)},
			},
		}, "nonsense", nil,
	})
	want := `peer attic\x1b[2J
    state: ready
    a\nb: c\rd
    state code: 5
    path relay r.example:3376, chosen yes, rtt 1.50 ms, state up, why the only\none
    path 
    path , rtt -1
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}

// A node of "expose" has a control socket too, and obeys its policy, which the
// control socket is not subject to.
func TestExposeIsAttended(t *testing.T) {
	p := newPlace(t)
	rules := filepath.Join(p.dir, "house.policy")
	if err := os.WriteFile(rules, []byte("deny * on __echo__\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _, err := startNode(p.command("expose", "--name", "cellar", "--policy", rules, "--until-eof", "http", "127.0.0.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if out := p.ok(t, "status", "--local"); !strings.Contains(out, "\ncellar ") {
		t.Errorf("status --local: %s", out)
	}
	if out := p.ok(t, "keys", "reload"); out != "node cellar uses it now\n" {
		t.Errorf("keys reload: %s", out)
	}
	path, err := controlPath(filepath.Join(p.dir, "fernmesh"), "home", "cellar")
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, path, `{"do":"call","path":"__echo__"}`+"\n"); !strings.Contains(got, `"ok":true`) {
		t.Errorf("by the socket: %s", got)
	}
	out, err := p.command("call", "cellar", "__echo__").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "PERMISSION_DENIED") {
		t.Errorf("over the network: %s, %v", out, err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}
