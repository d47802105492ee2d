//go:build linux && !nomdns

package discovery

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest/netlab"
	"github.com/fernmesh/fernmesh/sockets"
	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
)

// helperEnv makes the test binary a node with mDNS and nothing else; its value
// is the node's name, "-" for an observer. It prints what it finds.
const helperEnv = "FERNMESH_MDNS_HELPER"

func init() {
	name, ok := os.LookupEnv(helperEnv)
	if !ok {
		return
	}
	if err := helperMain(strings.TrimPrefix(name, "-")); err != nil {
		fmt.Println("report", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func helperMain(name string) error {
	s, err := New(Config{
		Net: sockets.System(), Keys: []*crypto.Schedule{schedule(homeKey, "home")}, NoUDP: true, MDNS: true,
		Self:     Self{Name: name, Instance: crypto.NewInstanceID(), Port: 7000},
		OnChange: func(c Change) { fmt.Println("change", c.Kind, c.Entry.Name, c.Entry.Addrs) },
		OnReport: func(r Report) { fmt.Println("report", r) },
	})
	if err != nil {
		return err
	}
	if err := s.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println("started")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
	s.Close()
	fmt.Println("closed")
	return nil
}

// child is a helper process on a host of the lab.
type child struct {
	lines chan string
	stdin io.Closer
	cmd   *exec.Cmd
}

func helper(t *testing.T, h *netlab.Host, name string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(ctx, exe)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{lines: make(chan string, 1000), stdin: in, cmd: cmd}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	c.wait(t, "started", 10*time.Second)
	return c
}

// wait returns the first line that contains text.
func (c *child) wait(t *testing.T, text string, within time.Duration) string {
	t.Helper()
	timeout := time.After(within)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				t.Fatalf("helper ended before it said %q", text)
			}
			if strings.Contains(line, "report ") {
				t.Logf("helper: %s", line)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			t.Fatalf("helper did not say %q within %v", text, within)
		}
	}
}

// end closes the helper and returns how long that took.
func (c *child) end(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	_ = c.stdin.Close()
	c.wait(t, "closed", 10*time.Second)
	took := time.Since(began)
	for range c.lines {
	}
	_ = c.cmd.Wait()
	return took
}

// must runs a program on a host.
func must(t *testing.T, h *netlab.Host, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := h.Command(ctx, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

func mdnsLab(t *testing.T, names ...string) []*netlab.Host {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	lab := netlab.New(t)
	lan := lab.Bridge("10.77.0.0/24", "fd77::/64")
	var hosts []*netlab.Host
	for _, n := range names {
		hosts = append(hosts, lab.Host(n, lan))
	}
	lab.WaitUsable()
	for _, h := range hosts { // the library joins its group on the default interface
		must(t, h, "ip", "route", "add", "default", "dev", "eth0")
	}
	return hosts
}

func TestRealMDNS(t *testing.T) {
	hosts := mdnsLab(t, "kitchen", "laptop")
	node := helper(t, hosts[0], "kitchen")
	began := time.Now()
	observer := helper(t, hosts[1], "-")
	line := observer.wait(t, "change added kitchen", 10*time.Second)
	t.Logf("an observer found the node by mDNS alone after %v: %s", time.Since(began), line)
	if !strings.Contains(line, "10.77.0.") {
		t.Errorf("no address on the LAN: %s", line)
	}
	for _, c := range []*child{observer, node} {
		if took := c.end(t); took > 1500*time.Millisecond {
			t.Errorf("Close took %v, longer than a query", took)
		}
	}
}

// A query's source may be forged, so nothing goes to it: the answer is
// multicast, at most once a second however many ask.
func TestR24_MDNSAnswersNobodyDirectly(t *testing.T) {
	hosts := mdnsLab(t, "kitchen", "mallory")
	node := helper(t, hosts[0], "kitchen")
	defer node.end(t)
	asker, group := malice(t, hosts[1])
	q := new(dns.Msg)
	q.SetQuestion(mdnsService+"."+mdnsDomain, dns.TypePTR)
	packet, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	const asking = 3 * time.Second
	for end := time.Now().Add(asking); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, to := range []net.UDPAddr{*mdnsGroup4, {IP: hosts[0].Addrs()[0].AsSlice(), Port: 5353}} {
			if _, err := asker.WriteToUDP(packet, &to); err != nil {
				t.Fatal(err)
			}
		}
	}
	direct := drain(t, asker)
	if len(direct) > 0 {
		t.Errorf("%d packets went to the asker", len(direct))
	}
	var answers []*dns.Msg
	for _, p := range drain(t, group) {
		m := new(dns.Msg)
		if m.Unpack(p) == nil && m.Response {
			answers = append(answers, m)
		}
	}
	if n := len(answers); n == 0 || n > int(asking/time.Second)+1 {
		t.Errorf("%d answers multicast in %v", n, asking)
	}
	for _, m := range answers {
		if s := m.String(); strings.Contains(s, "kitchen") || strings.Contains(s, "home") {
			t.Errorf("a name can be read in %s", s)
		}
	}
}

// malice opens a socket to send from and one in the group.
func malice(t *testing.T, h *netlab.Host) (from, group *net.UDPConn) {
	t.Helper()
	var err, groupErr error
	h.Enter(func() {
		from, err = net.ListenUDP("udp4", nil)
		var eth0 *net.Interface
		if eth0, groupErr = net.InterfaceByName("eth0"); groupErr == nil {
			group, groupErr = net.ListenMulticastUDP("udp4", eth0, mdnsGroup4)
		}
	})
	if err != nil || groupErr != nil {
		t.Fatal(err, groupErr)
	}
	// The group's socket is for what others send.
	if err := errors.Join(ipv4.NewPacketConn(from).SetMulticastLoopback(false), group.SetReadBuffer(4<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(from.Close(), group.Close()) })
	return from, group
}

// The library sends two queries for every incomplete answer. A flood of those
// makes it fall silent instead.
func TestR24_MDNSAnswerFlood(t *testing.T) {
	hosts := mdnsLab(t, "laptop", "mallory")
	from, group := malice(t, hosts[1])
	observer := helper(t, hosts[0], "-")
	defer observer.end(t)
	if err := group.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := group.Read(make([]byte, 9000)); err != nil {
		t.Fatal("no query: ", err)
	}
	for i := range 5000 {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true}, Answer: []dns.RR{&dns.PTR{
			Hdr: dns.RR_Header{Name: mdnsService + "." + mdnsDomain, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 120},
			Ptr: fmt.Sprintf("x%d.%s.%s", i, mdnsService, mdnsDomain),
		}}}
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := from.WriteToUDP(packet, mdnsGroup4); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	queries := 0
	for _, p := range drain(t, group) {
		if m := new(dns.Msg); m.Unpack(p) == nil && !m.Response {
			queries++
		}
	}
	t.Logf("%d queries for 5,000 incomplete answers", queries)
	if queries > 4*mdnsAnswers {
		t.Errorf("%d queries for 5,000 incomplete answers", queries)
	}
}

// drain reads what a socket holds.
func drain(t *testing.T, c *net.UDPConn) (packets [][]byte) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		b := make([]byte, 9000)
		n, err := c.Read(b)
		if err != nil {
			return packets
		}
		packets = append(packets, b[:n])
	}
}

// Avahi on another machine lists our service and resolves it.
func TestRealMDNSAsAvahiSeesIt(t *testing.T) {
	for _, program := range []string{"avahi-daemon", "avahi-browse", "dbus-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("not installed: ", program)
		}
	}
	hosts := mdnsLab(t, "kitchen", "desktop")
	node := helper(t, hosts[0], "kitchen")
	env := avahi(t, hosts[1])
	var seen string
	eventually(t, "avahi-browse resolves the service", 20*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		browse := hosts[1].Command(ctx, "avahi-browse", "--resolve", "--parsable", "--terminate", mdnsService)
		browse.Env = env
		out, err := browse.CombinedOutput()
		if err != nil {
			t.Logf("avahi-browse: %v: %s", err, out)
		}
		seen = string(out)
		return strings.Contains(seen, "=;eth0;IPv4;")
	})
	t.Log(seen)
	for _, want := range []string{";" + mdnsService + ";local;", ";10.77.0.", ";7000;", `"gAAAA`} {
		if !strings.Contains(seen, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(seen, "kitchen") {
		t.Error("the node's name can be read")
	}
	node.end(t)
	eventually(t, "avahi-browse forgets the service after its goodbye", 20*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		browse := hosts[1].Command(ctx, "avahi-browse", "--parsable", "--terminate", mdnsService)
		browse.Env = env
		out, err := browse.Output()
		return err == nil && !strings.Contains(string(out), "eth0")
	})
}

// avahi runs an avahi-daemon with a message bus of its own on a host, and
// returns the environment for its clients.
func avahi(t *testing.T, h *netlab.Host) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // the socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bus := "unix:path=" + filepath.Join(dir, "bus")
	config := filepath.Join(dir, "bus.conf")
	write(t, config, `<busconfig><type>system</type><listen>`+bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`)
	avahiConf := filepath.Join(dir, "avahi.conf")
	write(t, avahiConf, "[server]\nallow-interfaces=eth0\nuse-ipv4=yes\nuse-ipv6=yes\nhost-name=desktop\n[publish]\ndisable-publishing=yes\n")
	env := append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)
	// /run is a fresh one for the daemon alone: ip netns exec gives its own mounts.
	daemon := "mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f " + avahiConf
	for _, argv := range [][]string{
		{"dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file", config},
		{"unshare", "--mount", "sh", "-c", daemon},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		cmd := h.Command(ctx, argv...)
		cmd.Env = env
		logged := filepath.Join(dir, argv[0]+".log")
		f, err := os.Create(logged)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = f, f
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cancel()
			_ = cmd.Wait()
			_ = f.Close()
			if text, _ := os.ReadFile(logged); t.Failed() {
				t.Logf("%s:\n%s", argv[0], text)
			}
		})
		if argv[0] == "dbus-daemon" {
			eventually(t, "the message bus listens", 5*time.Second, func() bool {
				_, err := os.Stat(filepath.Join(dir, "bus"))
				return err == nil
			})
		}
	}
	return env
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
