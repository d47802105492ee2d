package crypto_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

func TestRingThroughARotation(t *testing.T) {
	old, young := crypto.GenerateKey(), crypto.GenerateKey()
	file := filepath.Join(t.TempDir(), "home.key")
	if err := crypto.SaveKey(file, old); err != nil {
		t.Fatal(err)
	}
	step := func(what string, change func(crypto.KeyRing) (crypto.KeyRing, error), want string) {
		t.Helper()
		ring, err := crypto.LoadRing(file)
		if err == nil {
			ring, err = change(ring)
		}
		if err == nil {
			err = crypto.SaveRing(file, ring)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		again, err := crypto.LoadRing(file)
		if err != nil || again.String() != want {
			t.Fatalf("%s: the file holds %v, %v; want %s", what, again, err, want)
		}
	}
	step("add", func(r crypto.KeyRing) (crypto.KeyRing, error) { return r.Add(young) }, "ring["+old.String()+", accept "+young.String()+"]")
	step("promote", func(r crypto.KeyRing) (crypto.KeyRing, error) { return r.Promote(young) }, "ring["+young.String()+", accept "+old.String()+"]")
	step("retire", func(r crypto.KeyRing) (crypto.KeyRing, error) { return r.Retire(old) }, "ring["+young.String()+", retired "+old.String()+"]")
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestRingChangesThatAreRefused(t *testing.T) {
	active, accepted, other := crypto.GenerateKey(), crypto.GenerateKey(), crypto.GenerateKey()
	ring := crypto.Ring(active, accepted)
	for what, err := range map[string]error{
		"add a key twice":        second(ring.Add(accepted)),
		"add the zero key":       second(ring.Add(crypto.Key{})),
		"promote the active key": second(ring.Promote(active)),
		"promote another key":    second(ring.Promote(other)),
		"retire the active key":  second(ring.Retire(active)),
		"retire another key":     second(ring.Retire(other)),
		"find another key":       second(ring.Find(other.String())),
	} {
		if !errors.Is(err, crypto.ErrNoSuchKey) && !errors.Is(err, crypto.ErrBadRing) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if ring.String() != crypto.Ring(active, accepted).String() {
		t.Errorf("the ring itself changed: %v", ring)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAFullRingGivesUpItsOldestRetiredKey(t *testing.T) {
	ring := crypto.Ring(crypto.GenerateKey())
	var keys []crypto.Key
	for range 6 {
		k := crypto.GenerateKey()
		keys = append(keys, k)
		var err error
		if ring, err = ring.Add(k); err != nil {
			t.Fatal(err)
		}
		if ring, err = ring.Retire(k); err != nil {
			t.Fatal(err)
		}
	}
	if got := ring.Retired(); len(got) != 3 || !got[2].Equal(keys[5]) {
		t.Errorf("retired: %v, want the last three of %v", got, keys)
	}
	full := crypto.Ring(crypto.GenerateKey(), keys[:3]...)
	if _, err := full.Add(keys[4]); !errors.Is(err, crypto.ErrBadRing) {
		t.Errorf("a fifth usable key: %v", err)
	}
}

func TestFindAKeyByItsFingerprint(t *testing.T) {
	k := crypto.GenerateKey()
	ring := crypto.Ring(k, crypto.GenerateKey())
	for _, name := range []string{k.String(), strings.TrimPrefix(k.String(), "fernet:")} {
		if found, err := ring.Find(name); err != nil || !found.Equal(k) {
			t.Errorf("Find(%q) = %v, %v", name, found, err)
		}
	}
}

func TestSaveRingLeavesAForeignFileAlone(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := crypto.SaveRing(link, crypto.Ring(crypto.GenerateKey())); !errors.Is(err, crypto.ErrKeyFile) {
		t.Errorf("a ring saved over a symbolic link: %v", err)
	}
}
