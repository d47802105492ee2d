package main

import (
	"reflect"
	"testing"
)

func TestTemplates(t *testing.T) {
	hostile := map[string]value{
		"a": {text: "; rm -rf / {b} $(x)\n'\""}, "b": {text: "-o"}, "n": {text: "-5", number: true}, "e": {text: ""},
	}
	for _, c := range []struct {
		run  []string
		want []string // nil: refused when filled
	}{
		{[]string{"p", "{a}", "x{a}{e}y"}, []string{"p", "; rm -rf / {b} $(x)\n'\"", "x; rm -rf / {b} $(x)\n'\"y"}},
		{[]string{"p", "{{a}}", "}}{{"}, []string{"p", "{a}", "}{"}},
		{[]string{"p", "", "{e}"}, []string{"p", "", ""}},
		{[]string{"p", "--x={b}"}, []string{"p", "--x=-o"}},
		{[]string{"p", "{n}"}, []string{"p", "-5"}},
		{[]string{"p", "--", "{b}"}, []string{"p", "--", "-o"}},
		{[]string{"p", "{b}", "--"}, nil},
		{[]string{"p", "{b}x"}, nil},
		{[]string{"p", "{e}", "--", "{b}"}, []string{"p", "", "--", "-o"}},
		{[]string{"sh", "-c", "echo \"$1\"", "sh", "{a}"}, []string{"sh", "-c", "echo \"$1\"", "sh", "; rm -rf / {b} $(x)\n'\""}},
	} {
		tm, err := parseTemplate(c.run)
		if err != nil {
			t.Errorf("%q: %v", c.run, err)
			continue
		}
		got, err := tm.fill(hostile)
		if (err != nil) != (c.want == nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.run, got, err, c.want)
		}
	}
}

// What a caller fills in must never choose the program nor be read as a script.
func TestTemplatesThatAreRefused(t *testing.T) {
	for _, run := range [][]string{
		nil, {""}, {"{a}"}, {"p{a}"}, {"p", "{"}, {"p", "}"}, {"p", "{}"}, {"p", "{a b}"}, {"p", "{a{b}}"}, {"p", "{1}"}, {"p\x00"}, {"p", "\x00"},
		{"sh", "-c", "{a}"}, {"/bin/bash", "-lc", "echo {a}"}, {"busybox", "sh", "-c", "x {a}"}, {"cmd.exe", "/c", "dir", "{a}"}, {"powershell", "-File", "x", "{a}"}, {"ssh", "host", "ls", "{a}"},
	} {
		if _, err := parseTemplate(run); err == nil {
			t.Errorf("%q: accepted", run)
		}
	}
}
