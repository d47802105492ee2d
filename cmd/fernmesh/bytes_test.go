package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// startPort starts "fernmesh expose" or "fernmesh forward" and returns its ready
// line and where it said it listens. It ends with the test, with exit code 0.
func (p place) startPort(t *testing.T, args ...string) (*nodeProcess, readyForward) {
	t.Helper()
	n, line, err := startNode(p.command(append(args, "--until-eof", "--output", "json")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("%v: %v: %s", args, err, n.stderr)
		}
	})
	var ready readyForward
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	return n, ready
}

// readyForward is what a test needs of either ready line.
type readyForward struct {
	Listen   string            `json:"listen"`
	Services map[string]string `json:"services"`
	Forward  string            `json:"forward"`
}

// throughRelayOnly makes the processes of a place meet at a relay and nowhere else.
func (p place) throughRelayOnly(t *testing.T) place {
	t.Helper()
	relay, line, err := startNode(p.command(demoRelay))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	var ready readyLine
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "FERNMESH_NO_LAN=true", "FERNMESH_RELAYS="+ready.Address)
	return p
}

// echoServer sends back what it gets, and ends its direction when the client
// has ended the other.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// An HTTP server and curl, neither of which knows of the mesh, over a LAN and
// through a relay.
func TestHTTPThroughForwardAndExpose(t *testing.T) {
	curl, missing := exec.LookPath("curl")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s, %d bytes", r.Method, r.URL.Path, len(body))
	}))
	defer server.Close()
	for _, path := range []string{"lan", "relay"} {
		t.Run(path, func(t *testing.T) {
			p := newPlace(t)
			if path == "relay" {
				p = p.throughRelayOnly(t)
			}
			_, exposed := p.startPort(t, "expose", "--name", "kitchen", "http", server.Listener.Addr().String())
			if exposed.Services["http"] != server.Listener.Addr().String() || !strings.Contains(exposed.Forward, "fernmesh forward") {
				t.Errorf("ready: %+v", exposed)
			}
			_, f := p.startPort(t, "forward", "0", "kitchen:http")
			client := &http.Client{Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for i := range 3 { // over one connection
				r, err := client.Post("http://"+f.Listen+"/bread", "text/plain", bytes.NewReader(make([]byte, 300<<10)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if want := fmt.Sprintf("POST /bread, %d bytes", 300<<10); err != nil || string(got) != want {
					t.Errorf("request %d: %q, %v", i, got, err)
				}
			}
			if missing != nil {
				t.Skipf("without curl: %v", missing)
			}
			out, err := exec.Command(curl, "--silent", "--show-error", "--max-time", "20", "http://"+f.Listen+"/from-curl").CombinedOutput()
			if err != nil || string(out) != "GET /from-curl, 0 bytes" {
				t.Errorf("curl: %q, %v", out, err)
			}
		})
	}
}

// Each byte must come back before the next is typed, and a half-close passes
// through both programs.
func TestInteractiveThroughForwardAndExpose(t *testing.T) {
	echo := echoServer(t)
	for _, path := range []string{"lan", "relay"} {
		t.Run(path, func(t *testing.T) {
			p := newPlace(t)
			if path == "relay" {
				p = p.throughRelayOnly(t)
			}
			p.startPort(t, "expose", "--name", "kitchen", "echo", echo)
			_, f := p.startPort(t, "forward", "0", "kitchen:echo")
			conn, err := net.Dial("tcp", f.Listen)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			typed := make([]byte, 1)
			for i := range 300 {
				if _, err := conn.Write([]byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, typed); err != nil || typed[0] != byte(i) {
					t.Fatalf("byte %d: %v, %v", i, typed, err)
				}
			}
			_, _ = conn.Write([]byte("last words"))
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != "last words" {
				t.Errorf("after the half-close: %q, %v", got, err)
			}
		})
	}
}

// 64 MiB go there and come back through both programs as they were.
func TestLargeTransferThroughForwardAndExpose(t *testing.T) {
	p := newPlace(t)
	p.startPort(t, "expose", "--name", "kitchen", "echo", echoServer(t))
	_, f := p.startPort(t, "forward", "0", "kitchen:echo")
	conn, err := net.Dial("tcp", f.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	const size = 64 << 20
	sent, got := sha256.New(), sha256.New()
	go func() {
		_, _ = io.Copy(conn, io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sent))
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	if n, err := io.Copy(got, conn); err != nil || n != size || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A client is told at once what cannot be reached, and the person at the
// terminal why.
func TestForwardSaysWhatIsWrong(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the texts of this system are others")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	p := newPlace(t)
	p.startPort(t, "expose", "--name", "kitchen", "http", nobody)
	for target, want := range map[string]string{
		"kitchen:http": `UNAVAILABLE: the service http cannot be reached: connect: connection refused`,
		"kitchen:ssh":  `NOT_FOUND: "kitchen" does not listen for the service "ssh"; the node listens for: http`,
		"cellar:http":  `no node named "cellar" was found (known: kitchen)`,
	} {
		n, f := p.startPort(t, "forward", "--timeout", "2s", "0", target)
		conn, err := net.Dial("tcp", f.Listen)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF || isDeadline(err) {
			t.Errorf("%s: the client read: %v", target, err)
		}
		_ = conn.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		said := n.stderr.String()
		if !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: it said %q", target, said)
		}
	}
}

func isDeadline(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// The number of connections is bounded at either end, with a word about it.
func TestConnectionsAreBounded(t *testing.T) {
	p := newPlace(t)
	echo := echoServer(t)
	for i, bound := range [][2][]string{
		{{"--max-connections", "1"}, nil},
		{nil, {"--max-connections", "1"}},
	} {
		name := fmt.Sprintf("kitchen%d", i)
		e, _ := p.startPort(t, append([]string{"expose", "--name", name, "echo", echo}, bound[0]...)...)
		f, ready := p.startPort(t, append([]string{"forward", "0", name + ":echo"}, bound[1]...)...)
		var errs [2]error
		for i := range errs {
			conn, err := net.Dial("tcp", ready.Listen)
			if errs[i] = err; err != nil {
				continue // it was reset at once
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = conn.Write([]byte("x"))
			_, errs[i] = io.ReadFull(conn, make([]byte, 1))
		}
		if errs[0] != nil || errs[1] == nil || isDeadline(errs[1]) {
			t.Errorf("%s: %v, then %v", name, errs[0], errs[1])
		}
		if err := errors.Join(f.Close(), e.Close()); err != nil {
			t.Error(err)
		}
		const want = "1 connections are open already; --max-connections allows more\n"
		if !strings.Contains(f.stderr.String(), want) || (bound[0] != nil) != strings.Contains(e.stderr.String(), want) {
			t.Errorf("%s: expose said %q, forward %q", name, e.stderr, f.stderr)
		}
	}
}

// An interrupt ends both programs with exit code 0, also while a connection is
// open.
func TestInterruptedForwardAndExpose(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process of this system cannot be sent an interrupt")
	}
	p := newPlace(t)
	e, _ := p.startPort(t, "expose", "--name", "kitchen", "echo", echoServer(t))
	f, ready := p.startPort(t, "forward", "0", "kitchen:echo")
	conn, err := net.Dial("tcp", ready.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write([]byte("hi"))
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*nodeProcess{e, f} {
		start := time.Now()
		if err := n.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err := <-n.exited
		n.exited <- err
		if took := time.Since(start); err != nil || took > 2*connectionDrain+10*time.Second {
			t.Errorf("it ended with %v after %v", err, took)
		}
	}
	if said := f.stderr.String(); e.stderr.String() != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, errStopping.Message) {
		t.Errorf("expose said %q, forward %q", e.stderr, said)
	}
}

// In text form, what is printed tells a person how to go on.
func TestExposeAndForwardReadyLines(t *testing.T) {
	p := newPlace(t)
	e, line, err := startNode(p.command("expose", "--name", "kitchen", "--until-eof", "echo", "127.0.0.1:7", "http", "localhost:80"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := string(line); !strings.HasPrefix(got, "kitchen offers echo of 127.0.0.1:7, http of localhost:80 on network home at ") || !strings.HasSuffix(got, "; reach it: fernmesh forward 0 kitchen:echo\n") {
		t.Errorf("expose: %q", got)
	}
	cmd := p.command("forward", "--until-eof", "0", "kitchen:echo")
	f, line, err := startNode(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, _, _ := bufio.NewReader(bytes.NewReader(line)).ReadLine(); !strings.HasPrefix(string(got), "127.0.0.1:") || !strings.HasSuffix(string(got), " leads to echo of kitchen") {
		t.Errorf("forward: %q", got)
	}
}

// What parseListen and parseService take, they take as it is.
func FuzzForwardArguments(f *testing.F) {
	for _, text := range []string{"8080", "[::1]:80", "127.0.0.1:0", ":1", "kitchen:http", "any(web):http", "a:b:c", ":", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if target, service, err := parseService(text); err == nil && (target+":"+service != text || target == "" || service == "" || strings.Contains(service, ":")) {
			t.Errorf("%q became %q and %q", text, target, service)
		}
		listen, err := parseListen(text)
		if err != nil {
			return
		}
		if host, port, err := net.SplitHostPort(listen); err != nil || host == "" || port == "" {
			t.Errorf("%q became %q: %v", text, listen, err)
		}
	})
}
