package main

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

func testInvite(t testing.TB, relays ...string) invite {
	t.Helper()
	key, err := crypto.ParseKey("A6YxQEVDQ2tGZ29xUGVlYnJvb2tGZXJubWVzaFRlc3Q=")
	if err != nil {
		t.Fatal(err)
	}
	in := invite{key: key, network: "höme"}
	for _, text := range relays {
		a, err := relay.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		in.relays = append(in.relays, a)
	}
	return in
}

// The form of version 1 stays.
func TestInviteGolden(t *testing.T) {
	in := testInvite(t, "relay.example", "https://[2001:db8::1]#"+strings.Repeat("ab", 32))
	want, err := os.ReadFile("testdata/invite.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got := in.line(); got != strings.TrimSpace(string(want)) {
		t.Fatalf("the line is %s", got)
	}
	back, err := parseInvite(" " + in.line() + "\r\n")
	if err != nil || back.line() != in.line() || back.network != "höme" || !back.key.Equal(in.key) || len(back.relays) != 2 || back.relays[1] != in.relays[1] {
		t.Errorf("read back as %v, %v", back, err)
	}
}

// A change of any one character is noticed, and so is a cut at any place.
func TestInviteNoticesDamage(t *testing.T) {
	line := testInvite(t, "relay.example").line()
	for i := range line {
		for _, c := range []string{"A", "_", "=", "\n", " ", ""} {
			if damaged := line[:i] + c + line[i+1:]; strings.TrimSpace(damaged) != line {
				if _, err := parseInvite(damaged); err == nil {
					t.Errorf("character %d replaced by %q: not noticed", i, c)
				}
			}
		}
		if _, err := parseInvite(line[:i]); err == nil {
			t.Errorf("cut after %d characters: not noticed", i)
		}
	}
	if _, err := parseInvite(line + "A"); err == nil {
		t.Error("a character more: not noticed")
	}
}

// What has the right sum and is not what invite makes is refused.
func TestInviteIsStrict(t *testing.T) {
	valid := testInvite(t, "relay.example:3376").payload()
	at := len(valid) - len("relay.example:3376") - 3 // the relay's flags
	change := func(f func(b []byte) []byte) string {
		b := f(append([]byte(nil), valid...))
		return invitePrefix + base64.RawURLEncoding.EncodeToString(sealInvite(b))
	}
	for name, line := range map[string]string{
		"nothing":          change(func(b []byte) []byte { return nil }),
		"more":             change(func(b []byte) []byte { return append(b, 0) }),
		"less":             change(func(b []byte) []byte { return b[:len(b)-1] }),
		"zero key":         change(func(b []byte) []byte { clear(b[:32]); return b }),
		"network":          change(func(b []byte) []byte { b[33] = ':'; return b }),
		"no network":       change(func(b []byte) []byte { return append(b[:32:32], 0, 0) }),
		"unknown flag":     change(func(b []byte) []byte { b[at] = 4; return b }),
		"pin missing":      change(func(b []byte) []byte { b[at] = invitePinned; return b }),
		"not canonical":    change(func(b []byte) []byte { b[at+3] = 'R'; return b }),
		"a relay too many": change(func(b []byte) []byte { b[at-1] = 2; return b }),
		"twice":            change(func(b []byte) []byte { b[at-1] = 2; return append(b, b[at:]...) }),
		"nine relays":      change(func(b []byte) []byte { b[at-1] = 9; return b }),
	} {
		if _, err := parseInvite(line); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// R39: the errors hold nothing of the line.
func FuzzParseInvite(f *testing.F) {
	for _, in := range []invite{testInvite(f), testInvite(f, "relay.example"), testInvite(f, "https://a", "[::1]:80#"+strings.Repeat("01", 32))} {
		f.Add(in.line())
		f.Add(string(in.payload()))
	}
	f.Add("fernmesh2:x")
	f.Fuzz(func(t *testing.T, text string) {
		sealed := invitePrefix + base64.RawURLEncoding.EncodeToString(sealInvite([]byte(text)))
		for _, line := range []string{text, sealed} {
			in, err := parseInvite(line)
			if err != nil {
				if len(err.Error()) > 120 || len(line) > 30 && strings.Contains(err.Error(), line[20:]) {
					t.Fatalf("the error is %v", err)
				}
				continue
			}
			if in.line() != strings.Trim(line, " \t\r\n") {
				t.Fatalf("%q reads as %q", line, in.line())
			}
			if in.key.Weak() != nil || in.network == "" || len(in.relays) > maxNamedRelays {
				t.Fatalf("accepted %v", in)
			}
		}
	})
}
