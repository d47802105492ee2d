package commands

import (
	"errors"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"lights.set", "lights.set", true},
		{"lights.set", "lights.set.all", false},
		{"lights.set", "lights", false},
		{"lights.*", "lights.set", true},
		{"lights.*", "lights.kitchen.set", false},
		{"lights.*", "lights", false},
		{"*.set", "lights.set", true},
		{"lights.**", "lights.kitchen.set", true},
		{"lights.**", "lights.set", true},
		{"lights.**", "lights", false},
		{"lights.**", "lightsaber.set", false},
		{"**", "lights", true},
		{"**", "__info__", true},
		{"*", "__info__", false},
		{"*.**", "__dial__.http", false},
		{"__dial__.*", "__dial__.http", true},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		path, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(path); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.pattern, c.path, got, c.want)
		}
	}
	if (Pattern{}).Match(Path{"lights"}) {
		t.Error("the zero pattern matches")
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "**.a", "a.**.b", "li*ts", "a.b**", "***", strings.Repeat("a.", 40) + "a"} {
		if _, err := ParsePattern(s); !errors.Is(err, InvalidArgument) {
			t.Errorf("pattern %q: %v", s, err)
		}
	}
}
