package crypto

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSaveKeyThenLoadRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k := GenerateKey()
	if err := SaveKey(path, k); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	ring, err := LoadRing(path)
	if err != nil || !ring.Active().Equal(k) || ring.Len() != 1 {
		t.Errorf("%v %v", ring, err)
	}
	if err := SaveKey(path, GenerateKey()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwriting: %v", err)
	}
	if again, err := LoadRing(path); err != nil || !again.Active().Equal(k) {
		t.Errorf("the key is gone: %v", err)
	}
	if err := SaveKey(filepath.Join(t.TempDir(), "zero"), Key{}); err == nil {
		t.Error("the zero Key was saved")
	}
}

func TestR39_UnfitKeyFilesAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits, symbolic links and named pipes are not like this on Windows")
	}
	dir := t.TempDir()
	text := GenerateKey().Reveal()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", text+"\n", 0o400)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ path, want string }{
		"group readable": {write("group", text, 0o640), "chmod 600"},
		"world readable": {write("world", text, 0o604), "chmod 600"},
		"group writable": {write("writable", text, 0o620), "chmod 600"},
		"link":           {link, "symbolic link"},
		"directory":      {dir, "directory"},
		"device":         {os.DevNull, "no regular file"},
		"too large":      {write("large", text+"\n"+strings.Repeat("#\n", MaxSecretFile/2), 0o600), "at most"},
	}
	if fifo := makeFIFO(t, dir); fifo != "" {
		cases["named pipe"] = struct{ path, want string }{fifo, "named pipe"}
	}
	for name, c := range cases {
		_, err := LoadRing(c.path)
		if !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) || strings.Contains(err.Error(), text[:12]) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := LoadIdentity(c.path); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s as an identity: %v", name, err)
		}
	}
	if _, err := LoadRing(good); err != nil {
		t.Errorf("a read-only file of our own: %v", err)
	}
	if _, err := LoadRing(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := LoadRing(write("bad", "# x\nhunter2-hunter2\n", 0o600)); !errors.Is(err, ErrBadRing) || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("bad text: %v", err)
	}
}
