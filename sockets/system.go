package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// System is the machine's own network. It also implements [InterfaceFinder].
func System() Net { return system{} }

// system has no state: everything is asked of the kernel each time.
type system struct{}

var _ InterfaceFinder = system{}

// NetInterface is the standard library's view of an interface.
func (system) NetInterface(index int) (*net.Interface, error) { return net.InterfaceByIndex(index) }

// Interfaces lists the machine's interfaces. One that disappears meanwhile is
// left out.
func (system) Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, &Error{Op: "list network interfaces", Err: err}
	}
	all := make([]Interface, 0, len(list))
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		all = append(all, Interface{
			Name: i.Name, Index: i.Index, MTU: i.MTU,
			Up:           i.Flags&net.FlagUp != 0,
			Loopback:     i.Flags&net.FlagLoopback != 0,
			Broadcast:    i.Flags&net.FlagBroadcast != 0,
			Multicast:    i.Flags&net.FlagMulticast != 0,
			PointToPoint: i.Flags&net.FlagPointToPoint != 0,
			Prefixes:     prefixes(addrs),
		})
	}
	return all, nil
}

// prefixes converts the standard library's interface addresses.
func prefixes(addrs []net.Addr) []netip.Prefix {
	var own []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ones, _ := n.Mask.Size()
		own = append(own, netip.PrefixFrom(addr.Unmap(), ones))
	}
	return own
}

// Resolve asks the machine's resolver.
func (system) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, err
}

// opened makes an Error of what the kernel said when a socket was opened.
func opened(op string, port uint16, err error) error {
	e := &Error{Op: op, Err: err}
	switch {
	case errors.Is(err, errAddrInUse):
		e.Kind = ErrPortInUse
		e.Hint = "another program, or another node, has it; choose another port, or 0 for a free one"
	case isDenied(err):
		e.Kind = ErrPermission
		if port != 0 && port < 1024 {
			e.Hint = "ports below 1024 need a privilege; choose a port from 1024 up, or 0 for a free one"
		}
	case errors.Is(err, errAddrNotAvailable):
		e.Kind = ErrAddrUnavailable
	}
	return e
}

// isDenied tells whether the kernel refused for want of privilege.
func isDenied(err error) bool {
	return errors.Is(err, errAccess) || errors.Is(err, syscall.EPERM)
}
