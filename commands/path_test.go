package commands

import (
	"errors"
	"strings"
	"testing"
)

var goodPaths = []string{
	"b", "lights.set", "a.b.c", "path.to.function", "__echo__", "A.b", "grüße.an", "灯.開", "\u1e9b.ok", "with space.inside it",
	"a-b_c.d/e:f|g", "*", `x"]=function;{}["y`, "1.2", "__a", strings.Repeat("a", MaxSegment),
	strings.TrimSuffix(strings.Repeat("a.", MaxSegments), "."),
}

var badPaths = []string{
	"", ".", "..", "a.", ".a", "a..b", "a.\x00", "a\n.b", "a.b\r", "a\tb", "\x7f", "a.\u0085", "a\u200bb", "\ufeffa",
	"a\u202eb", "a\u00a0b", " a", "a ", "a. b", "a .b", "\xff", "a.\xc0\xaf", "a\xed\xa0\x80", "e\u0301", "\u0301a",
	"\u1112\u1161", "か\u3099", "a\u2028b", strings.Repeat("a", MaxSegment+1),
	strings.Repeat("a.", MaxSegments) + "a", strings.Repeat("abcdefghi.", MaxPath/10) + "abcdefg",
}

func TestS4_9_PathsAreRefusedNotRepaired(t *testing.T) {
	for _, s := range badPaths {
		p, err := ParsePath(s)
		if !errors.Is(err, InvalidArgument) || !p.IsZero() {
			t.Errorf("ParsePath(%q) = %q, %v; want INVALID_ARGUMENT", s, p, err)
		}
	}
	for _, s := range goodPaths {
		p, err := ParsePath(s)
		if err != nil || p.String() != s {
			t.Errorf("ParsePath(%q) = %q, %v", s, p, err)
		}
	}
}

func TestErrorsOfPathsAreSafeToPrint(t *testing.T) {
	for _, s := range badPaths {
		_, err := ParsePath(s)
		if text := err.Error(); strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) || len(text) > 700 {
			t.Errorf("ParsePath(%q): %q", s, text)
		}
	}
}

func TestReserved(t *testing.T) {
	for s, want := range map[string]bool{
		"__echo__": true, "__a__.b": true, "__a__": true, "____": false, "__a": false, "a__": false,
		"x.__a__": false, "__.a__": false, "_____": true,
	} {
		p, err := ParsePath(s)
		if err != nil || p.Reserved() != want {
			t.Errorf("%q reserved: %v, want %v (%v)", s, p.Reserved(), want, err)
		}
	}
}

// TestR37_OneParserForRightsAndDispatch builds hundreds of odd paths out of
// good ones. Whatever the parser accepts, the tree dispatches under exactly
// that name and no other; what it refuses, no part of the tree takes.
func TestR37_OneParserForRightsAndDispatch(t *testing.T) {
	tree := NewTree()
	for _, s := range goodPaths[1:9] {
		must(t, tree.Handle(s, echo, Force()))
	}
	odd := append(append([]string{}, goodPaths...), badPaths...)
	for _, s := range goodPaths[1:9] {
		for _, twist := range []string{".", "..", " ", "\x00", "\u0301", "\u200b", "\u00ad", "/", "%2e", "\\", "\u2024", "．"} {
			odd = append(odd, s+twist, twist+s, s+twist+"b", strings.Replace(s, ".", twist, 1), strings.ToUpper(s)+twist)
		}
	}
	if len(odd) < 500 {
		t.Fatalf("only %d paths", len(odd))
	}
	for _, s := range odd {
		p, parsed := ParsePath(s)
		cmd, found := tree.Find(s)
		switch {
		case parsed != nil && (found == nil || found.Code != InvalidArgument || tree.Handle(s, echo) == nil || tree.Remove(s) == nil):
			t.Errorf("%q is refused by the parser, but not by the tree", s)
		case found == nil && (cmd.Path() != p || cmd.Path().String() != s):
			t.Errorf("%q is dispatched to %q", s, cmd.Path())
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range append(append([]string{}, goodPaths...), badPaths...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			if !p.IsZero() || !errors.Is(err, InvalidArgument) {
				t.Fatalf("refused with %q, %v", p, err)
			}
			return
		}
		var segments []string
		for segment := range p.Segments() {
			if segment == "" {
				t.Fatal("empty segment")
			}
			segments = append(segments, segment)
		}
		if strings.Join(segments, ".") != s || p.String() != s || len(s) > MaxPath || len(segments) > MaxSegments {
			t.Fatalf("%q became %q", s, segments)
		}
		tree := NewTree()
		must(t, tree.Handle(s, echo, Force()))
		cmd, err := tree.Lookup(p)
		if err != nil || cmd.Path() != p {
			t.Fatalf("lookup: %v, %v", cmd, err)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// usualPath is a short cut: whatever it takes must be good by the whole rule.
func TestUsualPathsAreGood(t *testing.T) {
	long := strings.Repeat("s", MaxSegment)
	for path, usual := range map[string]bool{
		"lights.kitchen.set": true, "__echo__": true, long + ".x": true, "~!": true,
		strings.Repeat("a.", MaxSegments-1) + "a": true,
		"": false, ".": false, "a..b": false, ".a": false, "a.": false, "a b": false, "a\x7f": false, "a\tb": false, "grün": false,
		long + "s": false, strings.Repeat("a.", MaxSegments) + "a": false, strings.Repeat(long+".", 8): false,
	} {
		if got := usualPath(path); got != usual {
			t.Errorf("usualPath(%q) is %v", path, got)
		}
		segments := strings.Split(path, ".")
		good := len(path) <= MaxPath && len(segments) <= MaxSegments
		for _, segment := range segments {
			good = good && badSegment(segment) == ""
		}
		if usual && !good {
			t.Errorf("%q is taken and not good", path)
		}
	}
}

func BenchmarkParsePath(b *testing.B) {
	for b.Loop() {
		if _, err := ParsePath("lights.kitchen.set"); err != nil {
			b.Fatal(err)
		}
	}
}
