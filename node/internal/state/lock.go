package state

import (
	"os"
	"path/filepath"
	"time"
)

// How long Lock waits for other processes: a write takes milliseconds.
const (
	lockTries = 100
	lockPause = 10 * time.Millisecond
)

// Lock keeps other processes that lock the same file from changing it until
// unlock is called. It waits at most a second, then goes on without: a process
// that was stopped in its write must not stop this one, and the worst that can
// happen is that one of two changes is lost.
func (f *File) Lock() (unlock func()) {
	if os.MkdirAll(filepath.Dir(f.path), 0o700) != nil {
		return func() {} // Save will tell
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}
	}
	for range lockTries {
		if tryLock(lock) {
			break
		}
		time.Sleep(lockPause)
	}
	return func() { _ = lock.Close() } // which unlocks it
}
