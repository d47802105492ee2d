//go:build unix && !linux

package sockets

import (
	"errors"

	"golang.org/x/sys/unix"
)

// share lets several sockets have one UDP port; the BSDs, macOS among them,
// want SO_REUSEPORT of all of them.
func share(fd uintptr, _ bool) error {
	return errors.Join(
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
	)
}
