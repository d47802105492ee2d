package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func path(t testing.TB, text string) commands.Path {
	t.Helper()
	p, err := commands.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func caller(t testing.TB, text string) commands.Caller {
	t.Helper()
	c, err := ParseCaller(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestDecisions(t *testing.T) {
	owner, other := crypto.NewIdentity().Public(), crypto.NewIdentity().Public()
	p := parse(t, strings.ReplaceAll(`# a house
group ops = key:OWNER name:attic   # two of them

lamps:  allow group:ops observers on lights.** rate=30/m burst=10 concurrency=2
        deny  name:guest on lights.*
        allow name:"living room" on shelf."*".take "my box.open" x."a=b"
own:    allow key:OWNER on **
        deny  * on door.** *.secret __dial__.**
        allow * on door __info__ *.*.deep
default deny
`, "OWNER", owner.String()))
	for _, c := range []struct {
		who, what string
		allowed   bool
		rule      string
	}{
		{"attic", "lights.on", true, "lamps"},
		{"attic", "lights.kitchen.set", true, "lamps"},
		{"attic", "lights", false, "default"}, // ** is one or more
		{"attic", "lightsx.on", false, "default"},
		{"Attic", "lights.on", false, "default"},
		{"observer", "lights.on", true, "lamps"},
		{"guest", "lights.on", false, "line 5"},
		{"guest", "lights.kitchen.set", false, "default"}, // * is one segment
		{"name:\"living room\"", "shelf.*.take", true, "line 6"},
		{"name:\"living room\"", "shelf.x.take", false, "default"},
		{"name:\"living room\"", "my box.open", true, "line 6"},
		{"name:\"living room\"", "x.a=b", true, "line 6"},
		{"key:" + owner.String(), "door.open", true, "own"},
		{"key:" + owner.String(), "lights.on", true, "lamps"},
		{"name:guest key:" + owner.String(), "lights.on", true, "lamps"},
		{"observer key:" + owner.String(), "__dial__.web", true, "own"},
		{"key:" + other.String(), "door.open", false, "line 8"},
		{"key:" + other.String(), "my.secret", false, "line 8"},
		{"key:" + other.String(), "my.own.secret", false, "default"},
		{"guest", "__dial__.web", false, "line 8"},
		{"guest", "__info__", true, "line 9"},
		{"guest", "door", true, "line 9"},
		{"guest", "a.b.deep", true, "line 9"},
		{"guest", "a.deep", false, "default"},
		{"guest", "__stats__", false, "default"},
	} {
		d := p.Decide(caller(t, c.who), path(t, c.what))
		if d.Allowed != c.allowed || d.Rule != c.rule || d.Reason == "" {
			t.Errorf("%s calls %s: %+v, want %v by %s", c.who, c.what, d, c.allowed, c.rule)
		}
	}
	d := p.Decide(caller(t, "attic"), path(t, "lights.on"))
	if d.Rate != 0.5 || d.Burst != 10 || d.Concurrency != 2 {
		t.Errorf("limits: %+v", d)
	}
}

// What a caller only says of its key opens nothing.
func TestAKeyThatWasNotProvedIsNone(t *testing.T) {
	key := crypto.NewIdentity().Public()
	p := parse(t, "allow key:"+key.String()+" on **\ndefault deny\n")
	if d := p.Decide(commands.Caller{Name: "a", Key: key}, path(t, "x")); d.Allowed {
		t.Error("a claimed key passes for a proved one")
	}
	if d := p.Decide(commands.Caller{Name: "a", Key: key, Verified: true}, path(t, "x")); !d.Allowed {
		t.Error("the proved key does not pass")
	}
}

// An observer cannot be taken for a node by a name that it sends.
func TestObserversHaveNoName(t *testing.T) {
	p := parse(t, "allow name:attic on **\ndefault deny")
	if d := p.Decide(commands.Caller{Name: "attic", Observer: true}, path(t, "x")); d.Allowed {
		t.Error("an observer passes by a name")
	}
}

func TestDefaults(t *testing.T) {
	who, what := caller(t, "a"), path(t, "__info__")
	for text, allowed := range map[string]bool{
		"": true, "default allow": true, "default deny": false, "deny * on **": false, "# nothing\r\n\r\n\tdefault deny\r\n": false,
	} {
		if d := parse(t, text).Decide(who, what); d.Allowed != allowed {
			t.Errorf("%q: %+v", text, d)
		}
	}
	var no *Policy
	if !no.Decide(who, what).Allowed {
		t.Error("no policy denies")
	}
}

func TestBurstIsOneSecondUnlessSaid(t *testing.T) {
	for text, want := range map[string]int{"rate=5/s": 5, "rate=2.5/s": 3, "rate=1/h": 1, "rate=5/s burst=1": 1} {
		if d := parse(t, "allow * on ** "+text).Decide(caller(t, "a"), path(t, "x")); d.Burst != want {
			t.Errorf("%s: burst %d, want %d", text, d.Burst, want)
		}
	}
}

func TestRights(t *testing.T) {
	p := parse(t, "group ops = name:attic\ngrant admin cook to group:ops\ngrant cook to observers\ndefault deny")
	for _, c := range []struct {
		who, right, by string
	}{
		{"attic", "admin", "line 2"}, {"attic", "cook", "line 2"}, {"observer", "cook", "line 3"},
		{"observer", "admin", ""}, {"attic", "Admin", ""},
	} {
		if by, ok := p.Granted(caller(t, c.who), c.right); by != c.by || ok != (c.by != "") {
			t.Errorf("%s has %s: %q %v, want %q", c.who, c.right, by, ok, c.by)
		}
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := Parse([]byte(`group o ps = name:attic
lamps: allow name:x on lights.** rate=5
allow name:a.b on door..open concurrency=0 colour=1
deny * door.**
lamps: grant admin to *
a.b: allow * on ** burst=5
a.b: allow group:none on a.**.b a*b
deny * on rate=1/s
deny * on x rate=1/s rate=1/s
grant admin *
group g = group:h
group g = *
group g = *
grant ` + strings.Repeat("x", 33) + ` to key:kitchen somebody
allow "x
default maybe
` + "\x07" + `
default allow
allow * on **
x
`))
	bad, ok := err.(*SyntaxError)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	want := []string{
		"line 1: a group is", "line 2: rate is", "line 3: name has", "line 3: a path is not usable: segment 2", "line 3: concurrency is",
		"line 3: a limit is not known", "line 4: a rule is", "line 5: only allow", "line 6: a burst needs", "line 7: the rule a.b is there twice",
		"line 8: the rule has no path", "line 9: a limit is there twice", "line 9: a rule that denies", "line 10: a grant is",
		"line 11: a group holds", "line 12: the group g is there twice", "line 13: the group g is there twice", "line 14: the name of a right", "line 14: after key:", "line 14: a caller",
		"line 15: a quote", "line 16: the default", "line 17: it has a control", "line 19: something follows", "line 20: something follows",
	}
	for i, p := range bad.Problems {
		if i >= len(want) || !strings.HasPrefix(p.String(), want[i]) {
			t.Errorf("problem %d: %s", i, p)
		}
		if p.Hint == "" {
			t.Errorf("%s: no hint", p)
		}
	}
	if len(bad.Problems) != len(want) {
		t.Errorf("%d problems, want %d", len(bad.Problems), len(want))
	}
}

// A key that lies in the wrong file is not shown.
func TestErrorsDoNotShowKeys(t *testing.T) {
	secret := crypto.GenerateKey().Reveal()
	for _, form := range []string{"%", "group %", "group % = *", "group g = %", "allow % on x", "allow name:a.% on x", "allow key:% on x", "allow group:% on x", "%: deny * on x", "grant % to *", "default %", "allow * on x rate=%", "allow * on x %=1"} {
		if _, err := Parse([]byte(strings.ReplaceAll(form, "%", secret))); err == nil || strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil {
		t.Error("a directory is loaded")
	}
	if _, err := Load(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, []byte(strings.Repeat("# x\n", MaxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("%v", err)
	}
	if _, err := Parse([]byte("deny * on x\n\nallow \xff on x")); err == nil || !strings.Contains(err.Error(), "line 3: it is not UTF-8") {
		t.Errorf("%v", err)
	}
	if _, err := Parse([]byte(strings.Repeat("deny * on x\n", MaxRules+1))); err == nil || !strings.Contains(err.Error(), "line 1025: there are more than 1024") {
		t.Errorf("%v", err)
	}
	if _, err := Parse([]byte(strings.Repeat("x\n", 5000))); len(err.(*SyntaxError).Problems) != maxProblems {
		t.Errorf("%d problems", len(err.(*SyntaxError).Problems))
	}
}

func TestExplainTellsWhatWasPassedOver(t *testing.T) {
	p := parse(t, "a: deny name:x on y\nallow name:z on q\nallow name:attic on q\nb: allow name:attic on y.*\ndeny * on **\ngrant admin cook to name:attic\ngrant admin to *")
	x := p.Explain(caller(t, "attic"), path(t, "y.z"))
	if !x.Allowed || x.Rule != "b" || x.Line != 4 || len(x.Passed) != 3 || strings.Join(x.Rights, " ") != "admin cook" {
		t.Fatalf("%+v", x)
	}
	for i, want := range []string{"another caller, another path", "another caller, another path", "another path"} {
		if x.Passed[i].Why != want {
			t.Errorf("%+v, want %s", x.Passed[i], want)
		}
	}
	if x := p.Explain(caller(t, "u"), path(t, "y")); x.Passed[0].Why != "another caller" || x.Rule != "line 5" || x.Passed[0].Rule != "a" {
		t.Errorf("%+v", x)
	}
}

func TestCallersToAskAbout(t *testing.T) {
	for _, bad := range []string{"", "a.b", "name:", "key:x", "group:x", "*", "observer name:x", `name:"x`, "a b"} {
		if c, err := ParseCaller(bad); err == nil {
			t.Errorf("%q is %+v", bad, c)
		}
	}
}

func TestWarnings(t *testing.T) {
	key := "key:" + crypto.NewIdentity().Public().String()
	for _, c := range []struct{ text, want string }{
		{"allow KEY on **\ndefault deny", ""},
		{"allow name:a on **\ndefault deny", "line 1: names are claims: every"},
		{"deny name:a on x", "line 1: names are claims: who"},
		{"group g = observers\nallow group:g on **\ndefault deny", "line 2: names are claims: every"},
		{"deny KEY on x.*\ndeny KEY on x.y", "line 2: the rule in line 1"},
		{"deny * on **\nallow KEY on x", "line 2: the rule in line 1"},
		{"deny KEY on x.*\nallow * on x.y\nallow KEY on x.y.z", ""},
		{"deny KEY on x.**\nallow KEY on x", ""},
		{"deny KEY on x.**\nallow KEY on x.*.y y", ""},
		{"group g = *\ndeny KEY on x", "line 1: the group g is not used"},
		{"grant admin to name:a\ndeny KEY on x", "line 1: a right"},
		{"allow KEY on x", "line 1: nothing is ever denied"},
		{"allow KEY on x rate=1/s", ""},
		{"deny KEY on x\nallow * on __list_commands__ __describe__\ndefault deny", "line 2: nobody may call __info__"},
	} {
		var got []string
		for _, w := range parse(t, strings.ReplaceAll(c.text, "KEY", key)).Warnings() {
			got = append(got, w.String())
		}
		if text := strings.Join(got, "\n"); c.want == "" && text != "" || !strings.HasPrefix(text, c.want) || len(got) > 1 {
			t.Errorf("%q: %s, want %q", c.text, text, c.want)
		}
	}
}
