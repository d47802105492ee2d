package sockets

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ipv6MulticastAll is IPV6_MULTICAST_ALL of linux/in6.h.
const ipv6MulticastAll = 29

// share lets several sockets have one UDP port. Linux needs SO_REUSEADDR for
// nodes of different users, SO_REUSEPORT for sharers that set nothing else.
// Groups that other sockets joined are none of this socket's business, though
// by default Linux delivers them all; kernels without that switch are left so.
func share(fd uintptr, v6 bool) error {
	err := errors.Join(
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
	)
	if v6 {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, ipv6MulticastAll, 0)
	} else {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
	}
	return err
}
