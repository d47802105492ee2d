package relaylab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
)

// programs is the directory of the programs under test.
var programs string

func TestMain(m *testing.M) {
	if netlab.Available() == nil {
		if err := build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programs) // the system cleans up what stays
		os.Exit(code)
	}))
}

func build() (err error) {
	if programs, err = os.MkdirTemp("", "relaylab"); err != nil {
		return err
	}
	out, err := exec.Command("go", "build", "-o", programs, "../../cmd/fernmesh", "../../cmd/fernmesh-relay").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return nil
}

// site is two LANs, each with a host behind a NAT box, and relays outside.
type site struct {
	t       *testing.T
	lab     *netlab.Lab
	outside *netlab.Bridge
	home    *netlab.Host
	office  *netlab.Host
	boxes   [2]*netlab.Host

	network string
	key     string   // the file of the network's key
	env     []string // of nodes, besides what all have
	config  string   // what the config file of nodes says
	relays  []string // addresses to give to nodes
}

func newSite(t *testing.T, network string) *site {
	t.Helper()
	lab := netlab.New(t)
	s := &site{t: t, lab: lab, network: network, outside: lab.Bridge("198.51.100.0/24"), key: filepath.Join(t.TempDir(), "key")}
	s.home, s.boxes[0] = s.lan("home", "10.1.0.0/24")
	s.office, s.boxes[1] = s.lan("office", "10.2.0.0/24", "random")
	if out, err := exec.Command(filepath.Join(programs, "fernmesh"), "keygen", "--out", s.key).CombinedOutput(); err != nil {
		t.Fatalf("keygen: %v\n%s", err, out)
	}
	return s
}

// lan makes a host on a LAN, behind a NAT box.
func (s *site) lan(name, prefix string, flags ...string) (host, box *netlab.Host) {
	s.t.Helper()
	lan := s.lab.Bridge(prefix)
	box = s.lab.NATBox(name+"-box", lan, s.outside, flags...)
	host = s.lab.Host(name, lan)
	host.RouteVia(box)
	return host, box
}

// relay is one relay's host, what it keeps, and its running program.
type relay struct {
	*process
	site  *site
	host  *netlab.Host
	state string
	args  []string
}

// relay starts a relay outside; nodes that start later are given it.
func (s *site) relay(name string, args ...string) *relay {
	s.t.Helper()
	r := &relay{site: s, host: s.lab.Host(name, s.outside), state: s.t.TempDir(), args: args}
	s.lab.WaitUsable()
	r.start()
	s.relays = append(s.relays, r.address())
	return r
}

// start starts the relay's program, perhaps anew.
func (r *relay) start() {
	r.site.t.Helper()
	r.process = start(r.site.t, r.host, nil, append([]string{"fernmesh-relay", "serve", "--state-dir", r.state}, r.args...)...)
}

// address is the line that the relay printed.
func (r *relay) address() string { return strings.TrimSpace(r.out.String()) }

// authority is where the relay listens.
func (r *relay) authority() string { return r.host.Addrs()[0].String() + ":3376" }

// nodeEnv is what a node or a caller of the site has in its environment. Each
// has a state directory of its own.
func (s *site) nodeEnv() []string {
	s.t.Helper()
	dir := s.t.TempDir()
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte(s.config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return append([]string{
		"FERNMESH_NETWORK=" + s.network, "FERNMESH_KEY_FILE=" + s.key, "FERNMESH_STATE_DIR=" + dir,
		"FERNMESH_CONFIG=" + config, "FERNMESH_RELAYS=" + strings.Join(s.relays, ","),
	}, s.env...)
}

// serve starts a node and returns when it says that it is ready.
func (s *site) serve(on *netlab.Host, name string, args ...string) *process {
	s.t.Helper()
	return start(s.t, on, s.nodeEnv(), append([]string{"fernmesh", "serve", "--name", name}, args...)...)
}

// run runs a subcommand of fernmesh and returns what it printed.
func (s *site) run(ctx context.Context, on *netlab.Host, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := command(ctx, on, s.nodeEnv(), append([]string{"fernmesh"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// want runs a subcommand that must print a text.
func (s *site) want(text string, on *netlab.Host, args ...string) {
	s.t.Helper()
	if got, err := s.run(s.t.Context(), on, args...); err != nil || got != text {
		s.t.Errorf("%v = %q, want %q; error: %v", args, got, text, err)
	}
}
