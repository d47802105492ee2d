package state

import (
	"io"
	"os"
)

// disk is the part of a file system that writing a file needs. Tests put one in
// its place that fails and dies at chosen points.
type disk interface {
	create(dir, pattern string) (temp, error) // of mode 0600
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string)
}

// temp is a file that has not got its name yet.
type temp interface {
	io.WriteCloser
	Sync() error
	Name() string
}

type realDisk struct{}

func (realDisk) create(dir, pattern string) (temp, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (realDisk) rename(from, to string) error { return os.Rename(from, to) }

func (realDisk) remove(path string) error { return os.Remove(path) }

// syncDir makes a new name last through a power cut, where the system can: not
// every file system takes fsync on a directory, and the file itself is safe already.
func (realDisk) syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
