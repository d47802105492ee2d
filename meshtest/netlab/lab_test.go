package netlab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
	"github.com/fernmesh/fernmesh/sockets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reach dials a host's address from another host.
func reach(from *netlab.Host, l net.Listener, to netip.Addr, within time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	from.Enter(func() {
		var c net.Conn
		// By hand, since a dial by name or by both families starts goroutines,
		// which are not on the host.
		var d net.Dialer
		c, err = d.DialContext(ctx, "tcp", net.JoinHostPort(to.String(), strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
		if err == nil {
			c.Close()
		}
	})
	return err
}

// serve listens on a host and accepts until the test ends.
func serve(t *testing.T, h *netlab.Host) (l net.Listener) {
	t.Helper()
	var err error
	h.Enter(func() { l, err = sockets.System().Listen(context.Background(), netip.AddrPort{}) })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l
}

func TestHostsReachEachOtherOverBothFamilies(t *testing.T) {
	lab := netlab.New(t)
	lan := lab.Bridge("10.77.0.0/24", "fd77::/64")
	a, b := lab.Host("a", lan), lab.Host("b", lan)
	lab.WaitUsable()
	l := serve(t, b)
	if len(b.Addrs()) != 2 {
		t.Fatalf("b has the addresses %v", b.Addrs())
	}
	for _, addr := range b.Addrs() {
		if err := reach(a, l, addr, 5*time.Second); err != nil {
			t.Error(err)
		}
	}
}

func TestFamiliesOfABridge(t *testing.T) {
	lab := netlab.New(t)
	four, six := lab.Bridge("10.77.0.0/24"), lab.Bridge("fe80::/64")
	a := lab.Host("a", four)
	b := lab.Host("b", six)
	both := lab.Host("both", four, six)
	none := lab.Host("none")
	lab.WaitUsable()
	for host, want := range map[*netlab.Host][]string{
		a: {"4"}, b: {"6"}, both: {"4", "6"}, none: nil,
	} {
		var all []sockets.Interface
		host.Enter(func() { all, _ = sockets.System().Interfaces() })
		var got []string
		for _, i := range all {
			for _, p := range i.Prefixes {
				if !i.Loopback {
					got = append(got, map[bool]string{true: "4", false: "6"}[p.Addr().Is4()])
				}
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("host %s has addresses of the families %v, want %v", host.Name(), got, want)
		}
	}
}

func TestCommandRunsOnItsHost(t *testing.T) {
	lab := netlab.New(t)
	a := lab.Host("a", lab.Bridge("10.77.0.0/24"))
	out, err := a.Command(context.Background(), "ip", "-4", "addr", "show", "eth0").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("inet 10.77.0.1/24 brd 10.77.0.255")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPartitionIsSilentAndHeals(t *testing.T) {
	lab := netlab.New(t)
	lan := lab.Bridge("10.77.0.0/24")
	a, b, c := lab.Host("a", lan), lab.Host("b", lan), lab.Host("c", lan)
	lab.WaitUsable()
	l := serve(t, b)
	lab.Partition(a, b)
	var timeout net.Error
	if err := reach(a, l, b.Addrs()[0], 300*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("through the partition: %v, want a timeout", err)
	}
	if err := reach(c, l, b.Addrs()[0], 5*time.Second); err != nil {
		t.Errorf("a third host: %v", err)
	}
	a.Heal()
	b.Heal()
	if err := reach(a, l, b.Addrs()[0], 5*time.Second); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestLinkDownAndUnplug(t *testing.T) {
	lab := netlab.New(t)
	lan := lab.Bridge("10.77.0.0/24", "fd77::/64")
	a, b := lab.Host("a", lan), lab.Host("b", lan)
	lab.WaitUsable()
	l := serve(t, b)
	for name, way := range map[string]struct{ cut, mend func(*netlab.Bridge) }{
		"link down": {b.LinkDown, b.LinkUp},
		"unplugged": {b.Unplug, b.Replug},
	} {
		t.Run(name, func(t *testing.T) {
			way.cut(lan)
			b.WaitUsable() // an interface that is off is not waited for
			if err := reach(a, l, b.Addrs()[1], 200*time.Millisecond); err == nil {
				t.Error("still reached")
			}
			way.mend(lan)
			b.WaitUsable()
			// a may remember for some seconds that b did not answer.
			for _, addr := range b.Addrs() {
				deadline := time.Now().Add(10 * time.Second)
				err := reach(a, l, addr, 10*time.Second)
				for err != nil && time.Now().Before(deadline) {
					time.Sleep(50 * time.Millisecond)
					err = reach(a, l, addr, 10*time.Second)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestLossLosesAShare(t *testing.T) {
	lab := netlab.New(t)
	lan := lab.Bridge("10.77.0.0/24")
	a, b := lab.Host("a", lan), lab.Host("b", lan)
	lab.WaitUsable()
	b.Loss(0.3)
	var in, out *net.UDPConn
	b.Enter(func() { in, _ = net.ListenUDP("udp4", &net.UDPAddr{IP: b.Addrs()[0].AsSlice()}) })
	a.Enter(func() { out, _ = net.DialUDP("udp4", nil, in.LocalAddr().(*net.UDPAddr)) })
	defer in.Close()
	defer out.Close()
	send := func(n int) {
		for range n {
			if _, err := out.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	const sent = 200 // fits into the socket's buffer
	send(sent)
	b.Loss(0)
	if _, err := out.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	in.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := 0
	for buf := make([]byte, 10); ; got++ {
		n, err := in.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > 1 {
			break
		}
	}
	if got < sent*4/10 || got > sent*9/10 {
		t.Errorf("%d of %d datagrams arrived, want about 7 of 10", got, sent)
	}
}

// failing is a test that fails; its Fatal ends nothing.
type failing struct {
	testing.TB
	cleanups []func()
}

func (f *failing) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

func TestAFailedTestLeavesNothing(t *testing.T) {
	if err := netlab.Available(); err != nil {
		t.Skipf("no lab of network namespaces here: %v", err)
	}
	f := &failing{TB: t}
	lab := netlab.New(f)
	h := lab.Host("a", lab.Bridge("10.77.0.0/24"))
	forgotten := h.Command(context.Background(), "sleep", "1000")
	if err := forgotten.Start(); err != nil {
		t.Fatal(err)
	}
	// Once it is in the namespace, the end of the lab must end it.
	for inside := []byte(nil); len(bytes.TrimSpace(inside)) == 0; {
		inside, _ = exec.Command("ip", "netns", "pids", h.Namespace()).Output()
	}
	for _, c := range f.cleanups {
		c()
	}
	if err := forgotten.Wait(); err == nil {
		t.Error("the forgotten process ended by itself")
	}
	all, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	prefix, _, _ := strings.Cut(strings.TrimPrefix(h.Namespace(), "fm-"), "-")
	for _, entry := range all {
		if strings.Contains(entry.Name(), prefix) {
			t.Errorf("the namespace %s is left", entry.Name())
		}
	}
}

func ExampleAvailable() {
	if err := netlab.Available(); err != nil {
		fmt.Fprintln(os.Stderr, "no network namespaces here:", err)
	}
	// Output:
}
