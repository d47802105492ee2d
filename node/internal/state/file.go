package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// MaxBytes is the most bytes a file of state may have.
const MaxBytes = 4 << 20

// Trouble says what is wrong with a file of state. The node goes on without it.
type Trouble struct {
	File string // its path
	Kept string // where a damaged file is kept aside; "" if it stays where it is
	Err  error
}

func (t *Trouble) Error() string {
	text := fmt.Sprintf("state file %s: %v", t.File, t.Err)
	if t.Kept != "" {
		text += "; it is kept as " + t.Kept + ", and a new one is begun"
	}
	return text
}

// Unwrap returns what went wrong.
func (t *Trouble) Unwrap() error { return t.Err }

// File is one file of state. Its methods may be used by several goroutines;
// whoever reads, changes and writes it as one step holds [File.Lock] meanwhile,
// which keeps other processes out too.
type File struct {
	path, kind string
	disk       disk

	mu   sync.Mutex
	seen fs.FileInfo // the file as it was last loaded or saved; nil if there was none
}

// New names a file of a kind, such as "known-peers". Nothing is opened yet.
func New(path, kind string) *File { return &File{path: path, kind: kind, disk: realDisk{}} }

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Changed tells whether the file is another than the one last loaded or saved.
func (f *File) Changed() bool {
	info, err := os.Lstat(f.path)
	if err != nil {
		info = nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if info == nil || f.seen == nil {
		return info != nil || f.seen != nil
	}
	return !os.SameFile(info, f.seen) || info.Size() != f.seen.Size() || !info.ModTime().Equal(f.seen.ModTime())
}

// look notes the file as it is now.
func (f *File) look() {
	info, err := os.Lstat(f.path)
	if err != nil {
		info = nil
	}
	f.mu.Lock()
	f.seen = info
	f.mu.Unlock()
}

// Load gives each line of the file to take. No file is no lines and no error.
// Errors are [*Trouble] values: a file that is damaged, or has a line that take
// refuses, is kept aside; take has then had the lines that can be read.
func (f *File) Load(take func(line string) error) error {
	defer f.look()
	f.look() // a change while it is read is not missed: it is then loaded again
	text, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !errors.Is(err, errDamaged) {
		return &Trouble{File: f.path, Err: err}
	}
	if err == nil {
		err = parse(text, f.kind, take)
	}
	if err == nil {
		return nil
	}
	kept := f.path + ".bad"
	if moved := os.Rename(f.path, kept); moved != nil {
		return &Trouble{File: f.path, Err: errors.Join(err, moved)}
	}
	return &Trouble{File: f.path, Kept: kept, Err: err}
}

// read looks before it opens, since opening a named pipe waits for its writer.
func (f *File) read() ([]byte, error) {
	info, err := os.Lstat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is no regular file", errDamaged)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err == nil && len(text) > MaxBytes {
		err = fmt.Errorf("%w: it has over %d bytes", errDamaged, MaxBytes)
	}
	return text, err
}

// Save puts the lines into the file in one step, of mode 0600 in a folder of
// mode 0700 that is made if need be. It returns when they are on disk. Errors are
// [*Trouble] values; the file is then as it was.
func (f *File) Save(lines []string) error {
	text, err := format(f.kind, lines)
	if err == nil {
		err = f.replace(text)
	}
	if err != nil {
		return &Trouble{File: f.path, Err: err}
	}
	f.look()
	return nil
}

// replace writes a file beside the old one and gives it that name.
func (f *File) replace(text []byte) error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f.sweep()
	temp, err := f.disk.create(dir, filepath.Base(f.path)+".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync())
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = f.disk.rename(temp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, f.disk.remove(temp.Name()))
	}
	f.disk.syncDir(dir)
	return nil
}

// sweep removes what processes that were killed while they wrote have left.
// Where [File.Lock] cannot lock, this may take the file of another writer away,
// which then fails to rename it and tells so.
func (f *File) sweep() {
	left, _ := filepath.Glob(globQuote(f.path) + ".new-*") // the pattern is well formed
	for _, path := range left {
		_ = f.disk.remove(path)
	}
}

// globQuote makes a path a pattern that only the path itself matches.
func globQuote(path string) string {
	var quoted []byte
	for i := range len(path) {
		if c := path[i]; filepath.Separator == '/' && (c == '*' || c == '?' || c == '[' || c == '\\') {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, path[i])
	}
	return string(quoted)
}
