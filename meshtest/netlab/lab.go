package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usableWithin bounds WaitUsable; duplicate address detection takes 1 to 2 s.
const usableWithin = 15 * time.Second

// Lab is a set of hosts and the bridges that connect them.
type Lab struct {
	t       testing.TB
	name    string // fm-<random>
	yard    string // the namespace of the bridges
	bridges []*Bridge
	hosts   []*Host
	spaces  []string // all namespaces
}

// Bridge is a switch: the hosts on it hear each other.
type Bridge struct {
	lab      *Lab
	device   string
	prefixes []netip.Prefix
	issued   int
}

// New makes an empty lab that lasts until the test ends. Where none can be
// made it skips the test and prints the cause.
func New(t testing.TB) *Lab {
	t.Helper()
	if err := Available(); err != nil {
		t.Skipf("no lab of network namespaces here: %v", err)
	}
	l := &Lab{t: t, name: "fm-" + randomName()}
	t.Cleanup(l.tearDown)
	l.yard = l.space("bridges")
	return l
}

// space makes a namespace that tearDown will remove.
func (l *Lab) space(name string) string {
	l.t.Helper()
	ns := l.name + "-" + name
	l.spaces = append(l.spaces, ns)
	l.must("ip", "netns", "add", ns)
	l.must("ip", "-n", ns, "link", "set", "lo", "up")
	return ns
}

// Bridge makes a network. Each prefix gives its hosts an address: without an
// IPv6 prefix they have no IPv6 there at all, without an IPv4 one no IPv4.
func (l *Lab) Bridge(prefixes ...string) *Bridge {
	l.t.Helper()
	b := &Bridge{lab: l, device: "br" + strconv.Itoa(len(l.bridges))}
	for _, s := range prefixes {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			l.t.Fatalf("bridge: %v", err)
		}
		b.prefixes = append(b.prefixes, p.Masked())
	}
	l.must("ip", "-n", l.yard, "link", "add", b.device, "type", "bridge", "mcast_snooping", "0")
	l.must("ip", "-n", l.yard, "link", "set", b.device, "up")
	l.bridges = append(l.bridges, b)
	return b
}

// WaitUsable waits until every host can use all its addresses: an IPv6 address
// is tentative for up to 2 s after its interface came up.
func (l *Lab) WaitUsable() {
	l.t.Helper()
	for _, h := range l.hosts {
		h.WaitUsable()
	}
}

// Partition silences two hosts for each other, as Host.Drop on both.
func (l *Lab) Partition(a, b *Host) {
	l.t.Helper()
	a.Drop(b)
	b.Drop(a)
}

// must runs a command that must not fail.
func (l *Lab) must(argv ...string) {
	l.t.Helper()
	if err := run(argv...); err != nil {
		l.t.Fatal(err)
	}
}

// tearDown ends the processes in the lab and removes its namespaces.
func (l *Lab) tearDown() {
	var errs error
	for _, ns := range l.spaces {
		errs = errors.Join(errs, killAll(ns), run("ip", "netns", "delete", ns))
	}
	if errs != nil {
		l.t.Errorf("removing the lab: %v", errs)
	}
}

// killAll ends the processes that run in a namespace of the lab.
func killAll(ns string) error {
	out, err := exec.Command("ip", "netns", "pids", ns).Output()
	if err != nil {
		return fmt.Errorf("listing the processes in %s: %w", ns, err)
	}
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // it may have ended by itself
		}
	}
	return nil
}
