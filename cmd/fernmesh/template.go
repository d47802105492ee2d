package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// template is what a program is run with: its name and its arguments, each of
// which is one element of argv whatever the placeholders in it are filled with.
type template []word

// word is one element, made of fixed texts and placeholders.
type word []part

// part is a fixed text, or a placeholder if it has a name.
type part struct {
	text string
	name string
}

// String is the word as it was written, but for doubled braces.
func (w word) String() string {
	var b strings.Builder
	for _, p := range w {
		if p.name != "" {
			b.WriteString("{" + p.name + "}")
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

func (w word) fixed() bool {
	return !slices.ContainsFunc(w, func(p part) bool { return p.name != "" })
}

// parseTemplate reads the elements of "run". {name} is a placeholder, {{ and }}
// stand for braces. The errors are elementErrors but for an empty list.
func parseTemplate(run []string) (template, error) {
	if len(run) == 0 || len(run) > maxTemplate {
		return nil, fmt.Errorf("must have the program and its arguments, %d elements at most", maxTemplate)
	}
	t := make(template, len(run))
	for i, text := range run {
		if strings.ContainsRune(text, 0) {
			return nil, &elementError{i, "must not hold a NUL"}
		}
		w, reason := parseWord(text)
		if reason != "" {
			return nil, &elementError{i, reason}
		}
		t[i] = w
	}
	if !t[0].fixed() || run[0] == "" {
		return nil, &elementError{0, "must begin with the name of a program: callers do not choose it"}
	}
	if i := t.shellScript(); i > 0 {
		return nil, &elementError{i, `must not have a placeholder in what a shell reads as a script; hand it over as an argument, ["sh", "-c", "… \"$1\" …", "sh", "{name}"]`}
	}
	return t, nil
}

// parseWord returns a word, or what is wrong with it.
func parseWord(s string) (w word, reason string) {
	var fixed strings.Builder
	for s != "" {
		switch {
		case strings.HasPrefix(s, "{{"), strings.HasPrefix(s, "}}"):
			fixed.WriteByte(s[0])
			s = s[2:]
		case s[0] == '}':
			return nil, "has a } without its {; write }} for a brace"
		case s[0] == '{':
			name, rest, closed := strings.Cut(s[1:], "}")
			if !closed {
				return nil, "has a { without its }; write {{ for a brace"
			}
			if !isArgumentName(name) {
				return nil, "has a placeholder that is no name; write {name}, and {{ for a brace"
			}
			if fixed.Len() > 0 {
				w = append(w, part{text: fixed.String()})
				fixed.Reset()
			}
			w = append(w, part{name: name})
			s = rest
		default:
			fixed.WriteByte(s[0])
			s = s[1:]
		}
	}
	if fixed.Len() > 0 || len(w) == 0 {
		w = append(w, part{text: fixed.String()})
	}
	return w, ""
}

// shells read one of their arguments as a program; the others read all of them
// so.
var (
	shells       = []string{"sh", "ash", "bash", "dash", "fish", "ksh", "mksh", "zsh", "csh", "tcsh", "busybox", "su"}
	singleShells = []string{"cmd", "powershell", "pwsh", "ssh"}
)

// shellScript returns the index of a word whose placeholder a shell would read
// as a part of a script, or 0.
func (t template) shellScript() int {
	base := strings.ToLower(filepath.Base(filepath.ToSlash(t[0].String())))
	base = strings.TrimSuffix(base, ".exe")
	single := slices.Contains(singleShells, base)
	if !single && !slices.Contains(shells, base) {
		return 0
	}
	for i, w := range t[1:] {
		before := t[i].String()
		script := strings.HasPrefix(before, "-") && strings.HasSuffix(before, "c")
		if !w.fixed() && (single || script) {
			return i + 1
		}
	}
	return 0
}

// names are those of the placeholders, in the order of their first use.
func (t template) names() []string {
	var names []string
	for _, w := range t {
		for _, p := range w {
			if p.name != "" && !slices.Contains(names, p.name) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// value is an argument of a call as text.
type value struct {
	text   string
	number bool
}

// fill returns argv. A text that begins with "-" could be an option to the
// program where a placeholder begins an element, so it is refused there, unless
// "--" stands before it.
func (t template) fill(values map[string]value) ([]string, error) {
	argv := make([]string, len(t))
	literal := false
	for i, w := range t {
		var b strings.Builder
		for j, p := range w {
			v := values[p.name]
			if p.name == "" {
				v.text = p.text
			} else if j == 0 && !literal && !v.number && looksLikeOption(v.text) {
				return nil, fmt.Errorf("%s: must not begin with %q here", p.name, v.text[:1])
			}
			b.WriteString(v.text)
		}
		argv[i] = b.String()
		literal = literal || w.fixed() && argv[i] == "--"
	}
	return argv, nil
}
