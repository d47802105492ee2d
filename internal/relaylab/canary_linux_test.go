package relaylab_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

// canary is something that must not be known, and the forms it could be known in.
type canary struct {
	name  string
	forms [][]byte
}

// newWord makes a word that occurs nowhere by chance.
func newWord(kind string) string { return kind + strings.ToLower(rand.Text()[:12]) }

// newCanary is for a text.
func newCanary(name, text string) canary {
	c := canary{name: name}
	for _, s := range []string{text, strings.ToUpper(text)} {
		c.forms = append(c.forms, []byte(s))
	}
	c.encoded([]byte(text))
	return c
}

// keyCanary is for the network's key and its halves.
func keyCanary(t *testing.T, file string) canary {
	t.Helper()
	ring, err := crypto.LoadRing(file)
	if err != nil {
		t.Fatal(err)
	}
	text := ring.Active().Reveal()
	raw, err := base64.URLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	c := canary{name: "the network's key", forms: [][]byte{[]byte(text), raw[:16], raw[16:]}}
	c.encoded(raw)
	return c
}

// encoded adds the forms of hex, and of base64 wherever in a longer text it is.
func (c *canary) encoded(b []byte) {
	c.forms = append(c.forms, []byte(hex.EncodeToString(b)))
	for shift := range 3 {
		whole := append(make([]byte, shift), b...)
		whole = whole[:len(whole)/3*3]
		skip := (shift*8 + 5) / 6 // characters that the bytes before have a part in
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			c.forms = append(c.forms, []byte(e.EncodeToString(whole)[skip:]))
		}
	}
}

// in reports whether the canary occurs.
func (c *canary) in(b []byte) bool {
	return slices.ContainsFunc(c.forms, func(form []byte) bool { return bytes.Contains(b, form) })
}

// found names the canaries that occur.
func found(all []canary, b []byte) (names []string) {
	for _, c := range all {
		if c.in(b) {
			names = append(names, c.name)
		}
	}
	return names
}

// memory is what a process has in its memory and may read of it.
func memory(pid int) ([]byte, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var all bytes.Buffer
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[v") {
			continue // vdso, vvar and vsyscall are the kernel's
		}
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			return nil, err
		}
		if mode[0] != 'r' {
			continue
		}
		if _, err := io.Copy(&all, io.NewSectionReader(mem, from, to-from)); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	if all.Len() == 0 {
		return nil, errors.New("no memory could be read")
	}
	return all.Bytes(), nil
}

// files is all that is in a directory: names and contents.
func files(t *testing.T, dir string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir)...)
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
