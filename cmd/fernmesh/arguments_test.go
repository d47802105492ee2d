package main

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	type named = map[string]any
	for _, test := range []struct {
		line  string // words with spaces between them
		stdin string
		list  []any
		named named
	}{
		{line: ""},
		{line: `3 -3 3.5 true null "3" [1,"x"] {"a":1}`, list: []any{int64(3), int64(-3), 3.5, true, nil, "3", []any{int64(1), "x"}, named{"a": int64(1)}}},
		{line: `hello 007 {broken 1.2.3 --`, list: []any{"hello", "007", "{broken", "1.2.3"}},
		{line: `level=3 colour=red text="3" list=[1] empty= -5`, list: []any{int64(-5)}, named: named{
			"level": int64(3), "colour": "red", "text": "3", "list": []any{int64(1)}, "empty": "",
		}},
		{line: `a=b=c http://h/?a=b =x größe=1 x-1=2`, list: []any{"http://h/?a=b", "=x"}, named: named{"a": "b=c", "größe": int64(1), "x-1": int64(2)}},
		{line: `"a=b" {"a":"b=c"}`, list: []any{"a=b", named{"a": "b=c"}}},
		{line: `a=1 --args b=2 --raw -7 -- "c=3" 4`, list: []any{"b=2", "--raw", int64(-7), "--", "c=3", int64(4)}, named: named{"a": int64(1)}},
		{line: `-- --timeout x=1`, list: []any{"--timeout"}, named: named{"x": int64(1)}},
		{line: `1 -`, stdin: `[2, {"b": 3}]`, list: []any{int64(1), int64(2), named{"b": int64(3)}}},
		{line: `a=1 -`, stdin: ` {"b": 2} `, named: named{"a": int64(1), "b": int64(2)}},
		{line: `--args -`, stdin: `[]`},
		{line: `data={"$bytes":"aGk="}`, named: named{"data": []byte("hi")}},
	} {
		words := protectArguments(append([]string{"call", "node", "path"}, strings.Fields(test.line)...))[3:]
		a, err := parseArguments(words, strings.NewReader(test.stdin))
		if test.named == nil {
			test.named = named{}
		}
		if err != nil || !reflect.DeepEqual(a, arguments{test.list, test.named}) {
			t.Errorf("%s: %#v, %v", test.line, a, err)
		}
	}
}

func TestArgumentsAreNeverLost(t *testing.T) {
	for _, test := range []struct{ line, stdin, want string }{
		{`a=1 a=2`, "", `argument 2: the name "a" is given twice`},
		{`a=1 -`, `{"a": 2}`, `standard input: the name "a" is given twice`},
		{`- -`, `[]`, `"-" is there twice`},
		{`-`, `3`, "must be an array"},
		{`-`, `nonsense`, "standard input: not JSON"},
		{`-`, ``, "standard input: not JSON"},
		{`-`, `[] []`, "standard input: not JSON"},
		{`123456789012345678901234567890`, "", "argument 1: an integer does not fit"},
		{`x=123456789012345678901234567890`, "", "argument 1: an integer does not fit"},
	} {
		words := strings.Fields(test.line)
		if a, err := parseArguments(words, strings.NewReader(test.stdin)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s < %s: %v, %v; want %q", test.line, test.stdin, a, err, test.want)
		}
	}
}

func TestStandardInputIsBounded(t *testing.T) {
	endless := io.LimitReader(spaces{}, maxStdin+100)
	if _, err := parseArguments([]string{"-"}, endless); err == nil || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("got %v", err)
	}
	failing := io.MultiReader(strings.NewReader("["), failingReader{})
	if _, err := parseArguments([]string{"-"}, failing); !errors.Is(err, errRead) {
		t.Errorf("got %v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

var errRead = errors.New("cannot read")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errRead }

func FuzzParseArgs(f *testing.F) {
	f.Add("a=1 -5 [1,2] --args x=y", `{"b":[1.5,null]}`)
	f.Add(`- {"$bytes":"aGk="}`, `[18446744073709551615]`)
	f.Add(`"\ud800" 1e999`, ``)
	f.Fuzz(func(t *testing.T, line, stdin string) {
		words := protectArguments(append([]string{"call", "t", "p"}, strings.Split(line, " ")...))[3:]
		a, err := parseArguments(words, strings.NewReader(stdin))
		if err != nil {
			return
		}
		// What was understood can be written down and understood again.
		for _, v := range append(a.list, any(a.named)) {
			text := compactJSON(v)
			back, err := parseJSON(text)
			if err != nil || compactJSON(back) != text {
				t.Errorf("%s came back as %s, %v", text, compactJSON(back), err)
			}
		}
	})
}
