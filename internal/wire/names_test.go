package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, ok := range []string{
		"a", "kitchen-pi", "Küche 2", "ノード", "a b", "~", "x/y", strings.Repeat("x", 64),
		strings.Repeat("ü", 32), "\uFFFD",
	} {
		if err := CheckName("name", ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for bad, want := range map[string]string{
		"":                      "name is empty",
		strings.Repeat("x", 65): "name has 65 bytes, at most 64 are allowed",
		"a.b":                   "name has the character '.' at byte 2; . | : are not allowed",
		"|":                     "name has the character '|' at byte 1; . | : are not allowed",
		"host:1":                "name has the character ':' at byte 5; . | : are not allowed",
		"a\x00":                 "name has the control character U+0000 at byte 2",
		"ü\x1b[2J":              "name has the control character U+001B at byte 3",
		"a\u0085":               "name has the control character U+0085 at byte 2",
		"a\x7f":                 "name has the control character U+007F at byte 2",
		"a\xff":                 "name is not valid UTF-8 at byte 2",
		"\xed\xa0\x80":          "name is not valid UTF-8 at byte 1",
	} {
		err := CheckName("name", bad)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
		var e *NameError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q: %T, want *NameError", bad, err)
		}
	}
	if err := CheckName("network", ""); err == nil || err.Error() != "network is empty" {
		t.Errorf("the kind is not named: %v", err)
	}
}
