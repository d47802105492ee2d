package main

import (
	"bytes"
	"strings"
	"testing"
)

const sample = `# what a call costs
./node BenchmarkCall/size=64/callers=1 allocs/op 35

./node BenchmarkGather/members=10 allocs/member 28 +2
./crypto BenchmarkSeal/64 allocs/op 0
`

const results = `goos: linux
BenchmarkCall/size=64/callers=1-2   	    2000	     28130 ns/op	    2333 B/op	      36 allocs/op
BenchmarkCall/size=64/callers=1-2   	    2000	     29130 ns/op	    2330 B/op	      35 allocs/op
BenchmarkGather/members=10-2        	    2000	    442899 ns/op	        27.98 allocs/member	      9 allocs/op
PASS
`

var (
	call   = what{"./node", "BenchmarkCall/size=64/callers=1", "allocs/op"}
	gather = what{"./node", "BenchmarkGather/members=10", "allocs/member"}
	seal   = what{"./crypto", "BenchmarkSeal/64", "allocs/op"}
)

func parsed(t *testing.T) *baseline {
	t.Helper()
	b, err := parseBaseline([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheLowestOfTheRoundsCounts(t *testing.T) {
	now := map[what]int{}
	if err := parseResults(strings.NewReader(results), "./node", now); err != nil {
		t.Fatal(err)
	}
	if now[call] != 35 || now[gather] != 28 {
		t.Errorf("%v", now)
	}
}

func TestRisenFiguresAreCountedAndFallenOnesShown(t *testing.T) {
	b := parsed(t)
	for _, c := range []struct {
		now   map[what]int
		worse int
		says  string
	}{
		{map[what]int{call: 35, gather: 28, seal: 0}, 0, "    35 " + call.String() + "\n"},
		{map[what]int{call: 36, gather: 30, seal: 1}, 2, "RISEN from 35"},
		{map[what]int{call: 35, gather: 31, seal: 0}, 1, "RISEN from 28"},
		{map[what]int{call: 30, gather: 28, seal: 0}, 0, `have the line "` + call.String() + ` 30"`},
	} {
		var out bytes.Buffer
		if worse := b.compare(&out, c.now); worse != c.worse || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: %d worse, and it says\n%s", c.now, worse, out.String())
		}
	}
}

func TestUpdateChangesTheFiguresAlone(t *testing.T) {
	b := parsed(t)
	var out bytes.Buffer
	b.write(&out, b.figures)
	if out.String() != sample {
		t.Errorf("the same figures give\n%s", out.String())
	}
	out.Reset()
	b.write(&out, map[what]int{call: 8, gather: 28, seal: 0})
	if want := strings.Replace(sample, "35", "8", 1); out.String() != want {
		t.Errorf("other figures give\n%s", out.String())
	}
}

func TestPatternNamesTheBenchmarksOfAPackageAlone(t *testing.T) {
	want := "^BenchmarkCall$/^size=64$/^callers=1$|^BenchmarkGather$/^members=10$"
	if got := parsed(t).pattern("./node"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBadBaselinesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"./node BenchmarkCall 35":                          "line 1: want a package",
		"\n./node BenchmarkCall allocs/op many":            "line 2: \"many\" is no figure",
		"a B allocs/op 1\na B allocs/op 2":                 "line 2: a B allocs/op is there twice",
		"a B allocs/op -1":                                 "line 1: \"-1\" is no figure",
		"a B allocs/op 1 2":                                "line 1: want a package",
		"# fine\na B allocs/op 1 # no comment behind it\n": "line 2: want a package",
	} {
		if _, err := parseBaseline([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
