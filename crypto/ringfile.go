package crypto

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// SaveRing puts the ring into the file at path in one step: whoever reads it
// finds the old ring or the new one, also after a power cut. The file is
// readable by its owner only. Comments of an old file are not kept. A file that
// [LoadRing] would not read, such as a symbolic link, is left as it is.
func SaveRing(path string, r KeyRing) error {
	if err := r.Check(); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := checkSecretFile(path, info); err != nil {
			return err
		}
	}
	text := r.text()
	defer wipe(text)
	return replaceSecretFile(path, text)
}

// replaceSecretFile writes a file beside path and gives it that name.
func replaceSecretFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync())
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	syncDir(filepath.Dir(path))
	return nil
}
