package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// What another node sends must not reach a terminal as it is (R40).
func TestR40_EscapedTextHoldsNothingATerminalActsOn(t *testing.T) {
	for _, test := range []struct{ in, want, line string }{
		{"plain", "plain", "plain"},
		{"grüße, 世界 🌿", "grüße, 世界 🌿", "grüße, 世界 🌿"},
		{"two\nlines", "two\nlines", `two\nlines`},
		{"\x1b]0;title\x07", `\x1b]0;title\a`, `\x1b]0;title\a`},
		{"a\tb\rc\x00\x7f", `a\tb\rc\x00\x7f`, `a\tb\rc\x00\x7f`},
		{"c1 \u009b31m", `c1 \u009b31m`, `c1 \u009b31m`},
		{"bidi \u202e", `bidi \u202e`, `bidi \u202e`},
		{"\ufeffmark", `\ufeffmark`, `\ufeffmark`},
		{"tag \U000e0041", `tag \U000e0041`, `tag \U000e0041`},
		{"broken \xff\xc3", `broken \xff\xc3`, `broken \xff\xc3`},
		{`C:\dir`, `C:\dir`, `C:\dir`},
	} {
		if got := escapeText(test.in); got != test.want {
			t.Errorf("escapeText(%q) = %q, want %q", test.in, got, test.want)
		}
		if got := escapeLine(test.in); got != test.line {
			t.Errorf("escapeLine(%q) = %q, want %q", test.in, got, test.line)
		}
	}
}

func TestEscapingWriter(t *testing.T) {
	var b bytes.Buffer
	w := &escapingWriter{to: &b}
	if n, err := w.Write([]byte("a\x1b\n")); n != 3 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if _, err := w.WriteRaw([]byte("\x1b")); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "a\\x1b\n\x1b"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// broken fails at every write.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestEscapingWriterKeepsTheFirstError(t *testing.T) {
	full := errors.New("disk full")
	w := &escapingWriter{to: broken{full}}
	if _, err := w.Write([]byte("x")); !errors.Is(err, full) {
		t.Fatalf("Write: %v", err)
	}
	if err := w.failure(); !errors.Is(err, full) || !strings.Contains(err.Error(), "cannot write the output") {
		t.Errorf("failure() = %v", err)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a\x1b[2J", "\xff", "\u202e\n", "\U000e0041", "🌿"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, line := escapeText(s), escapeLine(s)
		if bad := unprintable(text); bad != "" {
			t.Errorf("escapeText(%q) holds %s", s, bad)
		}
		if bad := unprintable(line); bad != "" || strings.Contains(line, "\n") {
			t.Errorf("escapeLine(%q) = %q", s, line)
		}
		if escapeText(text) != text {
			t.Errorf("escaping %q twice changes it", s)
		}
		if bad := unprintable(compactJSON(s)); bad != "" {
			t.Errorf("the JSON of %q holds %s", s, bad)
		}
	})
}
