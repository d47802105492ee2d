package crypto

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// MaxSecretFile is the most bytes a file of keys may have.
const MaxSecretFile = 64 << 10

// ErrKeyFile is wrapped by the errors about a key file that is there but not
// fit for secrets: no regular file, too large, or open to others.
var ErrKeyFile = errors.New("not fit to hold a secret")

// LoadRing reads the key ring in the file at path; [ParseRing] tells its form.
// The file must be a regular one of at most [MaxSecretFile] bytes, no symbolic
// link, and closed to group and others. On Windows access is ruled by lists
// that the mode bits do not show, so there that last check is not made: keep
// the file in a folder of your own.
func LoadRing(path string) (KeyRing, error) {
	text, err := readSecretFile(path)
	if err != nil {
		return KeyRing{}, err
	}
	defer wipe(text)
	ring, err := ParseRing(text)
	if err != nil {
		return KeyRing{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

// SaveKey writes the key's text and a line feed to a new file at path, readable
// by its owner only, and returns when it is on disk. A file that exists already
// is never overwritten: the error then is fs.ErrExist. A file that could not
// be written in full is removed.
func SaveKey(path string, k Key) error {
	if k.IsZero() {
		return errors.New("crypto: the zero Key is not saved")
	}
	text := append([]byte(k.Reveal()), '\n')
	defer wipe(text)
	return createSecretFile(path, text)
}

func createSecretFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a new name last through a power cut, where the system can: not
// every file system takes fsync on a directory, and the file itself is safe already.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}

func readSecretFile(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkSecretFile(path, before); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, opened) {
		return nil, fmt.Errorf("file %s: %w: it was replaced while it was being read", path, ErrKeyFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxSecretFile {
		return nil, fmt.Errorf("file %s: %w: over %d bytes", path, ErrKeyFile, MaxSecretFile)
	}
	return text, nil
}

// checkSecretFile looks before the file is opened, since opening a FIFO waits for its writer.
func checkSecretFile(path string, info fs.FileInfo) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("file %s: %w: %s", path, ErrKeyFile, fmt.Sprintf(format, args...))
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return bad("it is a directory")
	case mode&fs.ModeSymlink != 0:
		return bad("it is a symbolic link; give the path of the file itself")
	case mode&fs.ModeNamedPipe != 0:
		return bad("it is a named pipe")
	case !mode.IsRegular():
		return bad("it is no regular file")
	case runtime.GOOS != "windows" && mode.Perm()&0o077 != 0:
		return bad("its mode %04o lets others than its owner in; run: chmod 600 %q", mode.Perm(), path)
	}
	if info.Size() > MaxSecretFile {
		return bad("%d bytes, at most %d are allowed", info.Size(), MaxSecretFile)
	}
	return nil
}
