//go:build unix

package sockets

import "golang.org/x/sys/unix"

// What the kernel says, under names of all platforms.
const (
	errAddrInUse        = unix.EADDRINUSE
	errAddrNotAvailable = unix.EADDRNOTAVAIL
	errFamilyUnknown    = unix.EAFNOSUPPORT
	errAccess           = unix.EACCES
)

// isStray tells whether a read failed for a reason that is not the socket's.
func isStray(error) bool { return false }

// isTruncated tells whether a read failed only because its buffer was short;
// here the rest is cut off without an error.
func isTruncated(error) bool { return false }
