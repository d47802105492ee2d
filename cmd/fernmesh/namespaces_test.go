package main

import (
	"bufio"
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

// site is two hosts on a bridge, each with the real program, one key and a
// state directory of its own.
type site struct {
	t       *testing.T
	program string
	key     string
	here    *netlab.Host
	there   *netlab.Host
}

func newSite(t *testing.T, prefixes ...string) *site {
	t.Helper()
	lab := netlab.New(t)
	bridge := lab.Bridge(prefixes...)
	program, err := exec.LookPath("fernmesh")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, program: program, key: filepath.Join(t.TempDir(), "key"), here: lab.Host("here", bridge), there: lab.Host("there", bridge)}
	if out, err := exec.Command(program, "keygen", "--out", s.key).CombinedOutput(); err != nil {
		t.Fatalf("keygen: %v\n%s", err, out)
	}
	lab.WaitUsable()
	return s
}

// command is the program on a host, with flags of the site.
func (s *site) command(ctx context.Context, on *netlab.Host, args ...string) *exec.Cmd {
	cmd := on.Command(ctx, append([]string{s.program}, args...)...)
	cmd.Env = append(os.Environ(), "FERNMESH_NETWORK=lab", "FERNMESH_KEY_FILE="+s.key, "FERNMESH_STATE_DIR="+s.t.TempDir(),
		"FERNMESH_CONFIG="+emptyFile(s.t))
	return cmd
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve starts a node and returns when it says that it is ready. stop ends it.
func (s *site) serve(on *netlab.Host, name string) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, on, "serve", "--name", name)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		s.t.Fatalf("serve did not get ready: %v", err)
	}
	return func() {
		cancel()
		_ = cmd.Wait() // ended by our interrupt
	}
}

// call runs one call and returns its output and how long the process took.
func (s *site) call(on *netlab.Host, args ...string) (string, time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	start := time.Now()
	out, err := s.command(ctx, on, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out)), time.Since(start)
}

// TestS4_22_TwoHostsOnABridge has nodes of two hosts find and call each other,
// over IPv4 alone and over IPv6 alone.
func TestS4_22_TwoHostsOnABridge(t *testing.T) {
	for family, prefix := range map[string]string{"IPv4": "10.99.0.0/24", "IPv6": "fd99::/64"} {
		t.Run(family, func(t *testing.T) {
			s := newSite(t, prefix)
			defer s.serve(s.here, "kitchen")()
			defer s.serve(s.there, "attic")()
			for from, to := range map[*netlab.Host]string{s.here: "attic", s.there: "kitchen"} {
				if got, _ := s.call(from, "call", to, "math.add", "a=40", "b=2"); got != "42" {
					t.Errorf("math.add at %s = %q", to, got)
				}
			}
			pong, _ := s.call(s.here, "ping", "attic", "--count", "1")
			if !strings.Contains(pong, "lan") || strings.Contains(pong, "127.0.0.1") {
				t.Errorf("ping says %q, want the path over the LAN", pong)
			}
			if peers, _ := s.call(s.there, "peers"); !strings.Contains(peers, "kitchen") || !strings.Contains(peers, "attic") {
				t.Errorf("peers: %q", peers)
			}
		})
	}
}

// TestStrangersAtTheRealPort sends garbage, nothing, and half of a message to
// the port of a real node: no byte comes back, and good callers notice nothing.
func TestStrangersAtTheRealPort(t *testing.T) {
	s := newSite(t, "10.98.0.0/24")
	defer s.serve(s.here, "kitchen")()
	peers, _ := s.call(s.there, "peers", "--output", "json")
	i := strings.Index(peers, "10.98.0.")
	if i < 0 {
		t.Fatalf("no address in %s", peers)
	}
	addr := strings.FieldsFunc(peers[i:], func(r rune) bool { return r == '"' || r == ' ' || r == ',' })[0]
	says := map[string][]byte{
		"garbage":     append([]byte{0, 0, 0, 112}, make([]byte, 112)...),
		"huge length": {0xff, 0xff, 0xff, 0xff, 1, 2, 3},
		"HTTP":        []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"half":        {0, 0, 0, 112, 1, 2, 3},
		"nothing":     nil,
	}
	conns := map[string]net.Conn{}
	for what, bytes := range says {
		var conn net.Conn
		var err error
		s.there.Enter(func() { conn, err = net.Dial("tcp", addr) })
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(bytes); err != nil {
			t.Fatal(err)
		}
		conns[what] = conn
	}
	if got, _ := s.call(s.there, "call", "kitchen", "math.add", "a=1", "b=2"); got != "3" {
		t.Errorf("beside strangers a good caller gets %q", got)
	}
	for what, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
			t.Errorf("%s: got %d bytes, %v; want the connection closed without a byte", what, n, err)
		}
	}
}

// TestColdStarts measures 50 cold starts: a callee process starts, and at the
// same moment a caller process; p95 of start to first answer is under 1 s.
func TestColdStarts(t *testing.T) {
	if !*long {
		t.Log("one start by default; -args -fernmesh.long runs 50 and checks p95")
	}
	for family, prefix := range map[string]string{"IPv4": "10.97.0.0/24", "IPv6": "fd97::/64"} {
		t.Run(family, func(t *testing.T) {
			s := newSite(t, prefix)
			starts := 1
			if *long {
				starts = 50
			}
			var took []time.Duration
			for range starts {
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				node := s.command(ctx, s.here, "serve", "--name", "kitchen")
				node.Cancel = func() error { return node.Process.Signal(os.Interrupt) }
				if err := node.Start(); err != nil {
					t.Fatal(err)
				}
				if got, _ := s.call(s.there, "call", "kitchen", "math.add", "a=40", "b=2", "--timeout", "20s"); got != "42" {
					t.Errorf("got %q", got)
				}
				took = append(took, time.Since(began))
				cancel()
				_ = node.Wait() // ended by our interrupt
			}
			slices.Sort(took)
			p95 := took[(len(took)*95+99)/100-1]
			t.Logf("%d cold starts: median %v, p95 %v, longest %v", len(took), took[len(took)/2], p95, took[len(took)-1])
			if *long && p95 > time.Second {
				t.Errorf("p95 is %v, want under 1 s", p95)
			}
		})
	}
}
