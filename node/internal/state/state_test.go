package state

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

// killedHere makes this test binary a process that writes until it is killed.
const killedHere = "FERNMESH_TEST_STATE_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedHere); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

// contents are two lists of lines of different lengths.
func contents() (old, next []string) {
	for i := range 40 {
		old = append(old, fmt.Sprintf("old line %d", i))
	}
	for i := range 60 {
		next = append(next, fmt.Sprintf("new line %d, which is longer", i))
	}
	return old, next
}

func load(t *testing.T, path string) []string {
	t.Helper()
	var lines []string
	if err := New(path, "test").Load(func(line string) error { lines = append(lines, line); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

// dying is a disk on which the process is killed at a point of the write: what
// comes after does not happen. What was not synced by then is lost, as in a power cut.
type dying struct {
	realDisk
	left   int // points until the end; a point is a byte written, or a step
	synced map[string]int64
	names  map[string]string // where each temporary file is now
}

var errKilled = errors.New("killed")

// step is a point at which the process may die.
func (d *dying) step() error {
	if d.left <= 0 {
		return errKilled
	}
	d.left--
	return nil
}

type dyingFile struct {
	*os.File
	disk *dying
}

func (d *dying) create(dir, pattern string) (temp, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	d.synced[f.Name()], d.names[f.Name()] = 0, f.Name()
	return &dyingFile{f, d}, nil
}

func (f *dyingFile) Write(p []byte) (int, error) {
	n := min(len(p), f.disk.left)
	f.disk.left -= n
	if n, err := f.File.Write(p[:n]); err != nil || n == len(p) {
		return n, err
	}
	return n, errKilled
}

func (f *dyingFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	info, err := f.File.Stat()
	if err == nil {
		f.disk.synced[f.Name()] = info.Size()
	}
	return errors.Join(err, f.File.Sync())
}

func (f *dyingFile) Close() error { return errors.Join(f.File.Close(), f.disk.step()) }

func (d *dying) rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.names[from] = to
	return os.Rename(from, to)
}

func (d *dying) remove(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	delete(d.names, path)
	return os.Remove(path)
}

// powerCut takes back what was written and not synced.
func (d *dying) powerCut(t *testing.T) {
	for temp, now := range d.names {
		if err := os.Truncate(now, d.synced[temp]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStateKilledAt200PointsOfAWriteItIsOldOrNewNeverHalf(t *testing.T) {
	old, next := contents()
	path := filepath.Join(t.TempDir(), "known")
	text, err := format("test", next)
	if err != nil {
		t.Fatal(err)
	}
	steps := len(text) + 4 // create, the bytes, sync, close, rename
	points := map[int]bool{}
	for i := range 190 {
		points[i*len(text)/190] = true
	}
	for i := range 20 {
		points[steps-i] = true // the end of the write and what comes after it
	}
	outcomes := map[bool]int{}
	for point := range points {
		if err := New(path, "test").Save(old); err != nil {
			t.Fatal(err)
		}
		f := New(path, "test")
		d := &dying{left: point, synced: map[string]int64{}, names: map[string]string{}}
		f.disk = d
		saved := f.Save(next)
		d.powerCut(t)
		got := load(t, path)
		isNew := slices.Equal(got, next)
		if !isNew && !slices.Equal(got, old) {
			t.Fatalf("killed at point %d of %d: %d lines", point, steps, len(got))
		}
		if saved == nil && !isNew {
			t.Fatalf("point %d: saved, and lost again", point)
		}
		outcomes[isNew]++
	}
	if len(points) < 200 || outcomes[true] == 0 || outcomes[false] < 190 {
		t.Errorf("%d points, %v", len(points), outcomes)
	}
	if err := New(path, "test").Save(old); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("killed writers left %v", files)
	}
}

// writeForever writes one of two contents after the other.
func writeForever(path string) {
	old, next := contents()
	f := New(path, "test")
	for {
		for _, lines := range [][]string{old, next} {
			if err := f.Save(lines); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
}

// The same with real processes that are killed at some moment of their writes.
func TestStateAKilledProcessLeavesOldOrNew(t *testing.T) {
	kills := 5
	if *long {
		kills = 200
	}
	self, err := os.Executable()
	if err != nil {
		t.Skipf("this test cannot find itself: %v", err)
	}
	old, next := contents()
	path := filepath.Join(t.TempDir(), "known")
	if err := New(path, "test").Save(old); err != nil {
		t.Fatal(err)
	}
	outcomes := map[bool]int{}
	for i := range kills {
		child := exec.Command(self)
		child.Env = append(os.Environ(), killedHere+"="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		began := New(path, "test")
		_ = began.Load(func(string) error { return nil })
		for deadline := time.Now().Add(10 * time.Second); !began.Changed(); {
			if time.Now().After(deadline) {
				t.Fatal("the process wrote nothing")
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(i%17) * 100 * time.Microsecond) // the moment, which no test can choose exactly
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // "killed"
		got := load(t, path)
		isNew := slices.Equal(got, next)
		if !isNew && !slices.Equal(got, old) {
			t.Fatalf("kill %d left %d lines", i, len(got))
		}
		outcomes[isNew]++
	}
	t.Logf("%d kills: %v (true: the longer content)", kills, outcomes)
}

func TestStateDamagedFilesAreKeptAsideWithWhatCanBeRead(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		want []string
		says string
	}{
		"empty":           {"", nil, "first line"},
		"garbage":         {"\x00\x01", nil, "first line"},
		"another kind":    {"fernmesh other 1\na\nend\n", nil, "first line"},
		"newer":           {"fernmesh test 2\na\nend\n", nil, "newer"},
		"cut in a line":   {"fernmesh test 1\na\nb", []string{"a"}, "cut short"},
		"cut after one":   {"fernmesh test 1\na\n", []string{"a"}, "cut short"},
		"after its end":   {"fernmesh test 1\na\nend\nb\n", []string{"a"}, "after its end"},
		"a wrong line":    {"fernmesh test 1\na\nwrong\nb\nend\n", []string{"a", "b"}, "line 3"},
		"too large":       {"fernmesh test 1\n" + strings.Repeat("x", MaxBytes), nil, "bytes"},
		"only the header": {"fernmesh test 1\n", nil, "cut short"},
	} {
		path := filepath.Join(t.TempDir(), "known")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		err := New(path, "test").Load(func(line string) error {
			if line == "wrong" {
				return errors.New("this is wrong")
			}
			got = append(got, line)
			return nil
		})
		var trouble *Trouble
		if !errors.As(err, &trouble) || trouble.File != path || trouble.Kept != path+".bad" || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: read %q, want %q", what, got, c.want)
		}
		if kept, err := os.ReadFile(path + ".bad"); err != nil || string(kept) != c.text {
			t.Errorf("%s: not kept aside: %v", what, err)
		}
		if lines := load(t, path); lines != nil {
			t.Errorf("%s: a new one begins with %q", what, lines)
		}
	}
}

func TestStateWhatIsNoRegularFileIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	f := New(path, "test")
	var trouble *Trouble
	if err := f.Load(nil); !errors.As(err, &trouble) || trouble.Kept == "" {
		t.Errorf("a directory: %v", err)
	}
	if err := f.Save([]string{"a"}); err != nil {
		t.Error(err)
	}
}

func TestStateModesAndChanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home", "kitchen")
	path := filepath.Join(dir, "a[1]*")
	f, other := New(path, "test"), New(path, "test")
	if lines := load(t, path); lines != nil || f.Changed() {
		t.Errorf("no file: %q, changed %v", lines, f.Changed())
	}
	if err := other.Save([]string{"a", "# no comment of ours", "b"}); err != nil {
		t.Fatal(err)
	}
	if !f.Changed() || other.Changed() {
		t.Error("a new file is not noticed, or by its writer")
	}
	if err := f.Load(func(string) error { return nil }); err != nil || f.Changed() {
		t.Errorf("%v, changed %v", err, f.Changed())
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{path: 0o600, dir: 0o700} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !f.Changed() {
		t.Error("a file that is gone is not noticed")
	}
	if err := f.Save([]string{"two\nlines"}); err == nil {
		t.Error("a line with a line feed was written")
	}
	if err := f.Save([]string{"end"}); err == nil {
		t.Error("a line that ends the file was written")
	}
}

// full is a disk without space, or with one fault.
type full struct {
	realDisk
	fault string
}

type fullFile struct {
	temp
	fault string
}

var errFull = errors.New("no space left on device")

func (d full) create(dir, pattern string) (temp, error) {
	if d.fault == "create" {
		return nil, errFull
	}
	f, err := d.realDisk.create(dir, pattern)
	return &fullFile{f, d.fault}, err
}

func (d full) rename(from, to string) error {
	if d.fault == "rename" {
		return errFull
	}
	return d.realDisk.rename(from, to)
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.fault == "write" {
		n, _ := f.temp.Write(p[:len(p)/2])
		return n, errFull
	}
	return f.temp.Write(p)
}

func (f *fullFile) Sync() error {
	if f.fault == "sync" {
		return errFull
	}
	return f.temp.Sync()
}

func (f *fullFile) Close() error {
	err := f.temp.Close()
	if f.fault == "close" {
		return errFull
	}
	return err
}

func TestStateAFullDiskLeavesTheOldFileAndNothingElse(t *testing.T) {
	old, next := contents()
	path := filepath.Join(t.TempDir(), "known")
	if err := New(path, "test").Save(old); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"create", "write", "sync", "close", "rename"} {
		f := New(path, "test")
		f.disk = full{fault: fault}
		var trouble *Trouble
		if err := f.Save(next); !errors.As(err, &trouble) || trouble.File != path || !errors.Is(err, errFull) {
			t.Errorf("%s: %v", fault, err)
		}
		if !slices.Equal(load(t, path), old) {
			t.Errorf("%s: the old file is gone", fault)
		}
		if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
			t.Errorf("%s: left %v", fault, files)
		}
	}
}

func TestStateLockKeepsOthersOut(t *testing.T) {
	if !slices.Contains([]string{"linux", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly"}, runtime.GOOS) {
		t.Skip("files are not locked on " + runtime.GOOS)
	}
	path := filepath.Join(t.TempDir(), "known")
	unlock := New(path, "test").Lock()
	held := make(chan struct{})
	go func() {
		defer close(held)
		New(path, "test").Lock()()
	}()
	select {
	case <-held:
		t.Error("locked twice")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	<-held
}
