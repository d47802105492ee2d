package relaylab_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
	protocol "github.com/fernmesh/fernmesh/relay"
)

// callsOfTheRun are those of acceptance S4-30.
const callsOfTheRun = 1000

// TestR23_S4_29_S4_30_TheRelayLearnsNothing runs a network whose every name,
// argument and result is a word of its own, and looks for these and for the key
// on all wires, in all that the relay wrote, and in its memory.
func TestR23_S4_29_S4_30_TheRelayLearnsNothing(t *testing.T) {
	c := newSecrets()
	s := newSite(t, c.network)
	r := s.relay("relay")
	s.config = fmt.Sprintf("[commands.%s.run]\nrun = [\"/bin/echo\", %q, \"{word}\"]\n", c.command, c.result)
	wires := map[string]*wire{}
	for _, h := range []*netlab.Host{r.host, s.home, s.office} {
		wires[h.Name()] = tap(t, h)
	}
	callee := s.serve(s.office, c.callee)
	s.serve(s.home, c.neighbour)
	// From the other LAN, and on the LAN.
	s.want(c.result+" "+c.argument, s.home, "call", c.callee, c.command+".run", "word="+c.argument)
	s.want(c.result+" "+c.argument, s.home, "call", c.neighbour, c.command+".run", "word="+c.argument)
	all := append(c.canaries(), keyCanary(t, s.key))
	n := s.caller(c.caller)
	s.callOften(n, c.callee, c.argument, callsOfTheRun/2)
	look(t, "the relay's memory amid calls", all, frozen(t, r.process))
	s.callOften(n, c.callee, c.argument, callsOfTheRun/2)
	look(t, "the relay's memory", all, frozen(t, r.process))
	mustFind(t, "the relay's memory", frozen(t, r.process), pin(t, r))
	look(t, "what the relay printed", all, []byte(r.out.String()+r.errs.String()))
	look(t, "the relay's files", all, files(t, r.state))
	for name, w := range wires {
		heard := w.end()
		t.Logf("on the wires of %s: %d bytes", name, len(heard))
		look(t, "the wires of "+name, all, heard)
		mustFind(t, "the wires of "+name, heard, []byte(protocol.UpgradeProtocol))
	}
	s.wantNoAddresses(r)
	// The search finds what there is: the callee knows its own secrets.
	if names := found(all[:3], frozen(t, callee)); len(names) != 3 {
		t.Errorf("of the callee's own secrets the search finds only %q", names)
	}
}

// secrets are the words of the run.
type secrets struct{ callee, network, command, neighbour, caller, argument, result string }

func newSecrets() secrets {
	return secrets{
		callee: newWord("callee"), network: newWord("network"), command: newWord("command"), neighbour: newWord("neighbour"),
		caller: newWord("caller"), argument: newWord("argument"), result: newWord("result"),
	}
}

// canaries begins with what the callee cannot but know.
func (c *secrets) canaries() []canary {
	return []canary{
		newCanary("the callee's name", c.callee), newCanary("the network's name", c.network), newCanary("the command", c.command),
		newCanary("a neighbour's name", c.neighbour), newCanary("the caller's name", c.caller),
		newCanary("the argument", c.argument), newCanary("the result", c.result),
	}
}

// frozen is a process's memory, with the process held still meanwhile.
func frozen(t *testing.T, p *process) []byte {
	t.Helper()
	if err := p.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b, err := memory(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	return b
}

func look(t *testing.T, where string, all []canary, b []byte) {
	t.Helper()
	if names := found(all, b); names != nil {
		t.Errorf("%s (%d bytes) has %q", where, len(b), names)
	}
}

func mustFind(t *testing.T, where string, b, what []byte) {
	t.Helper()
	if !bytes.Contains(b, what) {
		t.Errorf("%s (%d bytes) has no %q: this search finds nothing", where, len(b), what)
	}
}

// pin is the relay's id.
func pin(t *testing.T, r *relay) []byte {
	t.Helper()
	_, text, _ := strings.Cut(r.address(), "#")
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != 32 {
		t.Fatalf("the relay's address is %q", r.address())
	}
	return id
}

// wantNoAddresses checks that all that the relay wrote is its address and its
// key, with nothing of where its clients are (S4-30).
func (s *site) wantNoAddresses(r *relay) {
	s.t.Helper()
	if said := r.errs.String(); said != "" {
		s.t.Errorf("the relay logged %q", said)
	}
	if said := r.out.String(); strings.Count(said, "\n") != 1 {
		s.t.Errorf("the relay printed %q, want one line", said)
	}
	kept, err := os.ReadDir(r.state)
	if err != nil || len(kept) != 1 {
		s.t.Errorf("the relay keeps %v, %v; want its key alone", kept, err)
	}
	wrote := r.out.String() + r.errs.String() + string(files(s.t, r.state))
	for _, h := range []*netlab.Host{s.boxes[0], s.boxes[1], s.home, s.office} {
		for _, a := range h.Addrs() {
			if strings.Contains(wrote, a.String()) {
				s.t.Errorf("the relay wrote down %v, an address of %s", a, h.Name())
			}
		}
	}
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", r.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && filepath.IsAbs(target) && !strings.HasPrefix(target, "/dev/") {
			s.t.Errorf("the relay holds %s open", target)
		}
	}
}
