package sockets

import "golang.org/x/sys/windows"

// share lets several sockets have one UDP port. On Windows SO_REUSEADDR alone
// does what SO_REUSEPORT does elsewhere.
func share(fd uintptr, _ bool) error {
	return windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
}
