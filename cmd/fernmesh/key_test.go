package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

func TestLooksLikeKey(t *testing.T) {
	key := crypto.GenerateKey().Reveal()
	raw, _ := base64.URLEncoding.DecodeString(key)
	for _, s := range []string{
		key, " " + key + "\r\n", strings.TrimRight(key, "="), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.StdEncoding.EncodeToString(raw),
	} {
		if !looksLikeKey(s) {
			t.Errorf("%d characters of a key do not look like one", len(s))
		}
	}
	for _, s := range []string{"", "home.key", "/etc/fernmesh/home.key", strings.Repeat("a", 40), "0123456789abcdef"} {
		if looksLikeKey(s) {
			t.Errorf("%q looks like a key", s)
		}
	}
}

// R39: whatever argument holds a key, it is not printed, not even by --help's errors.
func TestR39_NoMessageHoldsAKeyFromTheCommandLine(t *testing.T) {
	key := crypto.GenerateKey().Reveal()
	for _, args := range [][]string{
		{key}, {"help", key}, {"serve", "--" + key}, {"serve", "--name", key + key}, {"peers", "--output", key}, {"peers", "--timeout=" + key},
		{"peers", "--config", key}, {"peers", "--config", "/tmp/" + key}, {"peers", "--key-file", "./" + key}, {"keygen", "--out", key}, {"version", key}, {"completion", key},
		{"peers", "--key", key}, {"peers", "--key=" + key}, {"peers", "-k" + key}, {"ping", "--count", key, "x"}, {"ping", "--interval", key, "x"},
	} {
		var out bytes.Buffer
		m := &Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
		if code := m.Run(context.Background(), args); code == exitOK {
			t.Errorf("%s: exit code 0", args[0])
		}
		if strings.Contains(out.String(), strings.TrimRight(key, "=")) {
			t.Errorf("%s %d: the key is printed: %s", args[0], len(args), strings.ReplaceAll(out.String(), key, "KEY"))
		}
		if !strings.Contains(out.String(), "fernmesh: hint: ") {
			t.Errorf("%v: no hint in %q", args, out.String())
		}
	}
}
