package crypto

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseRing(t *testing.T) {
	a, b, c, d := GenerateKey(), GenerateKey(), GenerateKey(), GenerateKey()
	text := fmt.Sprintf("# our ring\r\n\n%s accept # until spring\n  %s retired\n%s\r\n%s\taccept", b.Reveal(), c.Reveal(), a.Reveal(), d.Reveal())
	ring, err := ParseRing([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	usable, retired := ring.Usable(), ring.Retired()
	if !ring.Active().Equal(a) || ring.Len() != 4 || len(usable) != 3 || !usable[0].Equal(a) || !usable[1].Equal(b) ||
		!usable[2].Equal(d) || len(retired) != 1 || !retired[0].Equal(c) || ring.Check() != nil {
		t.Errorf("%v %v", ring, ring.Check())
	}
	usable[0] = c
	if !ring.Active().Equal(a) {
		t.Error("the ring can be changed through Usable")
	}
}

func TestR39_ParseRingNamesTheLineAndNoValue(t *testing.T) {
	a, b := GenerateKey().Reveal(), GenerateKey().Reveal()
	many := ""
	for range MaxRingKeys + 1 {
		many += GenerateKey().Reveal() + " accept\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "no active key"},
		"only comments": {"# nothing\n\n", "no active key"},
		"only accept":   {a + " accept\n", "no active key"},
		"only retired":  {a + " retired\n", "no active key"},
		"two active":    {a + "\n" + b + " active\n", "line 2"},
		"bad role":      {"\n" + a + " " + b + "\n", "line 2"},
		"three words":   {a + " accept " + b, "line 1"},
		"twice":         {a + "\n# c\n" + a + " retired\n", "line 3"},
		"too many":      {many, "line 5"},
		"short key":     {a[:40] + "\n", "line 1"},
		"no UTF-8":      {a + "\xff", "UTF-8"},
		"glued":         {a + b, "line 1"},
	} {
		ring, err := ParseRing([]byte(c.text))
		if !errors.Is(err, ErrBadRing) || !strings.Contains(err.Error(), c.want) || !ring.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), a[:12]) || strings.Contains(err.Error(), b[:12])) {
			t.Errorf("%s: the error repeats a key: %v", name, err)
		}
	}
}

func TestRingCheck(t *testing.T) {
	a, b := GenerateKey(), GenerateKey()
	weak := mustParseKey(t, specKey)
	for name, c := range map[string]struct {
		ring KeyRing
		want error
	}{
		"good":       {Ring(a, b), nil},
		"empty":      {KeyRing{}, ErrBadRing},
		"zero key":   {Ring(Key{}), ErrBadRing},
		"twice":      {Ring(a, b, a), ErrBadRing},
		"too many":   {Ring(a, b, GenerateKey(), GenerateKey(), GenerateKey()), ErrBadRing},
		"weak":       {Ring(weak), ErrWeakKey},
		"weak other": {Ring(a, weak), ErrWeakKey},
		"weak but retired": {func() KeyRing {
			r, err := ParseRing([]byte(a.Reveal() + "\n" + specKey + " retired\n"))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}(), nil},
	} {
		if err := c.ring.Check(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
