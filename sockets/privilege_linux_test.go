package sockets_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/sockets"
	"golang.org/x/sys/unix"
)

// withoutPrivilege runs f on a thread of its own that may not open low ports.
func withoutPrivilege(t *testing.T, f func()) {
	t.Helper()
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil || strings.TrimSpace(string(b)) != "1024" {
		t.Skipf("this machine lets every user open low ports (ip_unprivileged_port_start is %q, %v)", b, err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		err := unix.Capset(&hdr, &none[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("cannot give up privileges: %v", err)
	}
}

func TestS4_4_LowPortWithoutPrivilege(t *testing.T) {
	ctx := context.Background()
	withoutPrivilege(t, func() {
		_, tcp := sockets.System().Listen(ctx, netip.MustParseAddrPort("[::]:81"))
		_, udp := sockets.System().ListenShared(ctx, sockets.Shared{Port: 81})
		for _, err := range []error{tcp, udp} {
			if !errors.Is(err, sockets.ErrPermission) {
				t.Errorf("got %v, want ErrPermission", err)
				continue
			}
			for _, want := range []string{"port 81", "permission denied", "below 1024", "from 1024 up"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		}
	})
}

func TestS4_5_NodesOfDifferentUsersShareTheAdvertiserPort(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can open a socket as another user")
	}
	p, ch := sharer(t, sockets.Shared{})
	port := p.LocalAddr().Port()
	opened := make(chan sockets.Packets)
	go func() {
		runtime.LockOSThread() // and never unlocked, as above
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
		}
		q, err := sockets.System().ListenShared(context.Background(), sockets.Shared{Port: port})
		if err != nil {
			t.Errorf("another user's node: %v", err)
		}
		opened <- q
	}()
	q := <-opened
	if q == nil {
		return
	}
	theirs := listen(t, q)
	me := speaker(t, loopback4)
	send(t, me, "to both users", broadcast, port)
	expect(t, ch, me, "to both users")
	expect(t, theirs, me, "to both users")
}
