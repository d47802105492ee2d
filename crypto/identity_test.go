package crypto

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestIdentitySigns(t *testing.T) {
	id := NewIdentity()
	sig := id.Sign([]byte("m"))
	if !id.Public().Verify([]byte("m"), sig) || id.Public().Verify([]byte("n"), sig) || NewIdentity().Public().Verify([]byte("m"), sig) {
		t.Error("signatures are wrong")
	}
	if id.Public().Verify([]byte("m"), nil) {
		t.Error("no signature passes for one")
	}
}

func TestNodeKeyText(t *testing.T) {
	k := NewIdentity().Public()
	text := k.String()
	if got, err := ParseNodeKey(text); err != nil || got != k {
		t.Errorf("%v %v", got, err)
	}
	var again NodeKey
	if marshalled, err := k.MarshalText(); err != nil || again.UnmarshalText(marshalled) != nil || again != k {
		t.Errorf("%s %v", marshalled, err)
	}
	for _, bad := range []string{"", "node:", text[5:], strings.ToUpper(text), "NODE:" + text[5:], text + "a", text[:len(text)-1], text[:30] + "\n" + text[31:], text[:len(text)-1] + "b", text[:20] + "\n" + text[20:]} {
		if bad == text {
			continue
		}
		if _, err := ParseNodeKey(bad); !errors.Is(err, ErrBadNodeKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestIdentityIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "kitchen", "identity.key")
	if _, err := LoadIdentity(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	first, err := LoadOrCreateIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreateIdentity(path)
	if err != nil || second.Public() != first.Public() {
		t.Fatalf("another identity, %v", err)
	}
	if runtime.GOOS != "windows" {
		file, _ := os.Stat(path)
		dir, _ := os.Stat(filepath.Dir(path))
		if file.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
			t.Errorf("modes %v and %v", file.Mode(), dir.Mode())
		}
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestIdentityOfSimultaneousStartsIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.key")
	var wg sync.WaitGroup
	got := make([]NodeKey, 8)
	for i := range got {
		wg.Go(func() {
			id, err := LoadOrCreateIdentity(path)
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = id.Public()
		})
	}
	wg.Wait()
	for _, k := range got {
		if k != got[0] || k.IsZero() {
			t.Fatalf("%v", got)
		}
	}
}

func TestR42_DamagedIdentityIsAnErrorNotANewOne(t *testing.T) {
	dir := t.TempDir()
	good := string(formatIdentity(NewIdentity()))
	other := string(formatIdentity(NewIdentity()))
	lines, otherLines := strings.SplitAfter(good, "\n"), strings.SplitAfter(other, "\n")
	for name, text := range map[string]string{
		"empty":          "",
		"cut":            good[:len(good)-10],
		"one half":       lines[1],
		"other half":     lines[2],
		"mixed":          lines[1] + otherLines[2],
		"twice":          good + lines[2],
		"binary":         "\x00\x01\x02",
		"unknown line":   good + "colour blue\n",
		"damaged public": strings.Replace(good, "node:", "node;", 1),
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateIdentity(path)
		if !errors.Is(err, ErrBadIdentity) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		secretText := strings.TrimPrefix(strings.TrimSpace(lines[2]), "secret ")
		if strings.Contains(err.Error(), secretText[:12]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
		if kept, _ := os.ReadFile(path); string(kept) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestInstanceID(t *testing.T) {
	a, b := NewInstanceID(), NewInstanceID()
	if a == b || a.IsZero() || !(InstanceID{}).IsZero() || a.Compare(a) != 0 || a.Compare(b) != -b.Compare(a) || len(a.String()) != 32 {
		t.Errorf("%v %v", a, b)
	}
}

// The value was computed once with Python's hmac and base64 modules.
func TestMDNSLabel(t *testing.T) {
	key, instance := repeated[[32]byte](1), repeated[InstanceID](2)
	label := MDNSLabel(key, 3, instance)
	if want := "qzumc7mwg445jg4y"; label != want {
		t.Errorf("%s, want %s", label, want)
	}
	for _, other := range []string{MDNSLabel(key, 4, instance), MDNSLabel(repeated[[32]byte](9), 3, instance), MDNSLabel(key, 3, repeated[InstanceID](9))} {
		if other == label {
			t.Error("the label does not depend on all it should")
		}
	}
}
