package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// errControlTaken says that a process that lives has the socket.
var errControlTaken = errors.New("another process answers there")

// controlListener is the socket with what is needed to remove it, and no other
// that took its place.
type controlListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// listenControl opens the control socket at path. The socket of a process that
// is dead is replaced; that of one that lives is left, with errControlTaken.
func listenControl(path string) (*controlListener, error) {
	if err := controlPlace(path); err != nil {
		return nil, err
	}
	if err := controlFree(path); err != nil {
		return nil, err
	}
	// It gets its mode under a name that nobody knows, and its own name in one
	// step, so that nobody ever finds it open to others or half made.
	var random [4]byte
	rand.Read(random[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
	temp := filepath.Join(filepath.Dir(path), ".c"+hex.EncodeToString(random[:]))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temp, 0o600)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(temp))
	}
	return &controlListener{l, path, info}, nil
}

// controlPlace makes the socket's directory, or sees that no others may put
// anything into the one that is there.
func controlPlace(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o022 != 0 {
		return fmt.Errorf("the mode %04o of %s lets others write there; run: chmod 700 %q", mode, dir, dir)
	}
	return nil
}

// controlFree returns nil if nobody has the socket, or a dead process had.
func controlFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, controlDial)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s: %w", path, errControlTaken)
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) || runtime.GOOS == "windows" {
		return nil
	}
	return err
}

// Close stops listening and removes the socket, unless another has its name.
func (l *controlListener) Close() error {
	if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.info) {
		_ = os.Remove(l.path) // what is left of a socket harms nobody
	}
	return l.UnixListener.Close()
}
