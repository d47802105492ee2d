package discovery

import (
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
)

// eventually waits until cond holds, on the machine's own clock.
func eventually(t *testing.T, what string, within time.Duration, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// freeUDPPort returns a port that nobody uses now.
func freeUDPPort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// Two services on one machine share the port and find each other over its
// loopback, and the third learns of both.
func TestRealLoopback(t *testing.T) {
	port := freeUDPPort(t)
	onLo := func(c *Config) {
		c.AdvertPort, c.Interfaces = port, []string{loopbackName(t)}
	}
	a := start(t, sockets.System(), "kitchen", onLo)
	defer a.Close()
	b := start(t, sockets.System(), "attic", onLo, func(c *Config) { c.Self.Port = 7001 })
	defer b.Close()
	began := time.Now()
	eventually(t, "two services find each other", 2*time.Second, func() bool {
		return slices.Equal(a.names(), []string{"attic"}) && slices.Equal(b.names(), []string{"kitchen"})
	})
	t.Logf("found each other after %v", time.Since(began))
	o := start(t, sockets.System(), "", onLo)
	defer o.Close()
	eventually(t, "an observer finds both", 2*time.Second, func() bool {
		return slices.Equal(o.names(), []string{"attic", "kitchen"})
	})
	b.Close()
	eventually(t, "the goodbye is heard", 2*time.Second, func() bool {
		return len(a.names()) == 0 && slices.Equal(o.names(), []string{"kitchen"})
	})
	for _, r := range a.told() {
		t.Errorf("reported: %v", r)
	}
}

func loopbackName(t *testing.T) string {
	t.Helper()
	all, err := sockets.System().Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Loopback && i.Up {
			return i.Name
		}
	}
	t.Skipf("no loopback interface is up on this %s machine", runtime.GOOS)
	return ""
}
