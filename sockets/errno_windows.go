package sockets

import (
	"errors"

	"golang.org/x/sys/windows"
)

// What the kernel says, under names of all platforms.
const (
	errAddrInUse        = windows.WSAEADDRINUSE
	errAddrNotAvailable = windows.WSAEADDRNOTAVAIL
	errFamilyUnknown    = windows.WSAEAFNOSUPPORT
	errAccess           = windows.WSAEACCES
)

// isStray tells whether a read failed for a reason that is not the socket's:
// Windows reports that a datagram sent earlier reached no open port, or had no
// time left to live, as the failure of a later read.
func isStray(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAENETRESET)
}

// isTruncated tells whether a read failed only because its buffer was short.
func isTruncated(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }
