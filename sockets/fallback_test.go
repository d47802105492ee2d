package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// onlyIPv4 is a kernel without IPv6.
func onlyIPv4(cause error) func(context.Context, string, string) (net.Listener, error) {
	return func(ctx context.Context, network, address string) (net.Listener, error) {
		if network != "tcp4" {
			return nil, &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("socket", cause)}
		}
		var lc net.ListenConfig
		return lc.Listen(ctx, network, address)
	}
}

func TestWithoutIPv6ListenFallsBackToIPv4(t *testing.T) {
	for _, cause := range []syscall.Errno{errFamilyUnknown, errAddrNotAvailable} {
		l, err := listenTCP(context.Background(), netip.AddrPort{}, onlyIPv4(cause))
		if err != nil {
			t.Errorf("%v: %v", cause, err)
			continue
		}
		l.Close()
	}
}

func TestOtherFailuresAreNotTriedAgainOverIPv4(t *testing.T) {
	l, err := listenTCP(context.Background(), netip.AddrPort{}, onlyIPv4(errAddrInUse))
	if err == nil {
		l.Close()
	}
	if !errors.Is(err, errAddrInUse) {
		t.Errorf("got %v, want the first failure", err)
	}
}
