package netlab

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Enter runs f on the host's network and returns when f has ended: sockets
// opened by f itself belong to the host and may be used anywhere afterwards.
// Goroutines started by f do not run on the host.
func (h *Host) Enter(f func()) {
	h.lab.t.Helper()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is in another namespace and must not be
		// used again; it ends with the goroutine.
		runtime.LockOSThread()
		err := setNamespace(h.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.lab.t.Fatalf("entering host %s: %v", h.name, err)
	}
}

func setNamespace(ns string) error {
	file, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
}
