//go:build unix

package relayserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay/relayserver"
	"github.com/fernmesh/fernmesh/sockets"
)

// apartVariable makes this test binary a relay, for benchmarks that are to see
// what a relay alone needs: "plain" or "tls".
const apartVariable = "FERNMESH_TEST_RELAY"

func init() {
	instead = func() bool {
		kind := os.Getenv(apartVariable)
		if kind != "" {
			serveApart(kind)
		}
		return kind != ""
	}
}

// opening is what a relay in its own process says first.
type opening struct {
	Address     string
	Certificate []byte // of its TLS; empty without
}

// figures are what it needs, since its start or now.
type figures struct {
	CPU      time.Duration // user and system, since the start
	Mallocs  uint64        // since the start
	Writes   uint64        // calls of the kernel that wrote, since the start; 0 where that is not known
	InUse    int64         // bytes of heap and stacks now, after a garbage collection
	Resident int64         // bytes of the process now; 0 where that is not known
	Members  int64
}

// apart is such a relay, seen from the benchmark.
type apart struct {
	*site
	tls *tls.Config // the clients'; nil without
	in  io.Writer
	out *json.Decoder
}

// serveApart is the other process: it answers each line with figures and ends
// with its input.
func serveApart(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	o := opening{Address: l.Addr().String()}
	serve := func(s *relayserver.Server) error { return s.Serve(l) }
	if kind == "tls" {
		own, _ := certify(new(testing.B), "relay")
		own.MinVersion = tls.VersionTLS13
		o.Certificate = own.Certificates[0].Certificate[0]
		serve = func(s *relayserver.Server) error { return s.ServeTLS(l, own) }
	}
	server, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		panic(err)
	}
	go serve(server) // ends with the process
	answer := json.NewEncoder(os.Stdout)
	_ = answer.Encode(o)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		_ = answer.Encode(measure(server, in.Text() == "memory"))
	}
}

func measure(server *relayserver.Server, memory bool) figures {
	if memory {
		debug.FreeOSMemory()
	}
	var use syscall.Rusage
	var m runtime.MemStats
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	runtime.ReadMemStats(&m)
	return figures{
		CPU:     time.Duration(use.Utime.Nano() + use.Stime.Nano()),
		Mallocs: m.Mallocs, Writes: processFigure("/proc/self/io", "syscw:"),
		InUse: int64(m.HeapInuse + m.StackInuse), Resident: 1024 * int64(processFigure("/proc/self/status", "VmRSS:")),
		Members: server.Stats().Members,
	}
}

// processFigure is a number that the kernel tells of this process, 0 if it does not.
func processFigure(file, name string) uint64 {
	text, _ := os.ReadFile(file)
	_, after, _ := strings.Cut(string(text), name)
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[0], 10, 64)
	return n
}

// startApart starts a relay in a process of its own.
func startApart(b *testing.B, kind string) *apart {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), apartVariable+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	a := &apart{in: in, out: json.NewDecoder(out)}
	var o opening
	if err := a.out.Decode(&o); err != nil {
		b.Fatal(err)
	}
	a.site = &site{t: b, host: sockets.System(), authority: o.Address}
	if kind == "tls" {
		a.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "relay"}
		c, err := x509.ParseCertificate(o.Certificate)
		if err != nil {
			b.Fatal(err)
		}
		a.tls.RootCAs.AddCert(c)
	}
	return a
}

// figures asks the relay for its own.
func (a *apart) figures(ask string) (f figures) {
	_, _ = fmt.Fprintln(a.in, ask)
	if err := a.out.Decode(&f); err != nil {
		a.t.Fatal(err)
	}
	return f
}

// joinApart joins with a client.
func (a *apart) joinApart(n *crypto.Schedule) client {
	cfg := a.config(n, nil)
	cfg.Address.TLS, cfg.TLSConfig = a.tls != nil, a.tls
	return a.joinWith(cfg)
}

// sit joins without a client: little of this process, all of the relay's.
func (a *apart) sit(n *crypto.Schedule) *raw {
	k := &raw{t: a.t}
	var err error
	if k.conn, err = a.host.Dial(context.Background(), a.authority); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = k.conn.Close() })
	if a.tls != nil {
		k.conn = tls.Client(k.conn, a.tls)
	}
	if err = k.upgrade(); err == nil {
		err = k.enter(n, a.authority)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return k
}
