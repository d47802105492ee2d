package policy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// naive decides by another way than Policy: a pattern becomes a regular
// expression, callers are compared as texts, the text is split at spaces.
func naive(text string, caller, path string) (allowed bool, line int) {
	for i, l := range strings.Split(text, "\n") {
		words := strings.Fields(l)
		if words[0] == "default" {
			return words[1] == "allow", 0
		}
		on := slices.Index(words, "on")
		who := slices.ContainsFunc(words[1:on], func(w string) bool {
			return w == "*" || w == "observers" && caller == "observer" || w == "name:"+caller
		})
		what := slices.ContainsFunc(words[on+1:], func(w string) bool {
			expr := strings.ReplaceAll(regexp.QuoteMeta(w), `\*\*`, `.+`)
			expr = strings.ReplaceAll(expr, `\*`, `[^.]+`)
			return regexp.MustCompile("^" + expr + "$").MatchString(path)
		})
		if who && what {
			return words[0] == "allow", i + 1
		}
	}
	return true, 0
}

func TestDecideAgreesWithANaiveMatcher(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	segments := func(more ...string) string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = pick(append(more, "a", "b", "ab", "__a__")...)
		}
		return strings.Join(parts, ".")
	}
	for range 3000 {
		var lines []string
		for range r.IntN(6) {
			what := segments("*")
			if r.IntN(3) == 0 {
				what += ".**"
			}
			if r.IntN(8) == 0 {
				what = "**"
			}
			lines = append(lines, fmt.Sprintf("%s %s on %s", pick("allow", "deny"), pick("*", "observers", "name:n", "name:m name:n", "observers name:m"), what))
		}
		lines = append(lines, "default "+pick("allow", "deny"))
		text := strings.Join(lines, "\n")
		p := parse(t, text)
		for range 8 {
			who, what := pick("n", "m", "observer", "q"), segments()
			allowed, line := naive(text, who, what)
			x := p.Explain(caller(t, who), path(t, what))
			if x.Allowed != allowed || x.Line != line || x.Decision != p.Decide(caller(t, who), path(t, what)) {
				t.Fatalf("%s calls %s under\n%s\n%+v, want %v by line %d", who, what, text, x, allowed, line)
			}
		}
	}
}

// A rule that is said to be covered never decides.
func TestShadowedRulesNeverDecide(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 3000 {
		p := parse(t, fmt.Sprintf("allow %s on %s\ndeny %s on %s", pick("*", "name:n", "observers"), pick("**", "a.*", "a.**", "*.b", "a.b"),
			pick("*", "name:n", "observers"), pick("**", "a.*", "a.**", "*.b", "a.b")))
		shadowed := p.shadow(1) != nil
		for _, what := range []string{"a", "b", "a.b", "a.c", "b.b", "a.b.c"} {
			for _, who := range []string{"n", "m", "observer"} {
				if x := p.Explain(caller(t, who), path(t, what)); shadowed && x.Line == 2 {
					t.Fatalf("%s\n%s decides over %s by %s", p.rules[0].text, p.rules[1].text, what, who)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "default deny", "group g = name:a observers\nlamps: allow group:g * on lights.** \"x\".* rate=5/s burst=2 concurrency=1\ngrant a b to *\ndefault allow\n",
		"deny name:\"living \\\"room\" on shelf.\"*\".take # c", "allow * on ** rate=1e-9/h", "x: y", "allow \"", "default allow\nx", "\xff",
		"allow key:node:aaaa on a..b",
	} {
		f.Add([]byte(seed), "a.b")
	}
	f.Fuzz(func(t *testing.T, data []byte, what string) {
		p, err := Parse(data)
		if err != nil {
			bad, ok := err.(*SyntaxError)
			if !ok || len(bad.Problems) == 0 || p != nil {
				t.Fatalf("%T %v", err, err)
			}
			for _, q := range bad.Problems {
				if q.Line < 1 || q.Hint == "" || q.Text == "" {
					t.Fatalf("%+v", q)
				}
			}
			return
		}
		p.Warnings()
		to, err := commands.ParsePath(what)
		if err != nil {
			return
		}
		for _, who := range []commands.Caller{{Name: "a"}, {Observer: true}} {
			x := p.Explain(who, to)
			if x.Decision != p.Decide(who, to) {
				t.Fatalf("%+v", x)
			}
			release, err := NewGuard(p, 1).Admit(who, to)
			if (err == nil) != x.Allowed {
				t.Fatalf("%+v %v", x, err)
			}
			if err == nil {
				release()
			}
		}
	})
}
