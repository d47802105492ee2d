package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse reads the text of a policy file. An error is a *[SyntaxError] with all
// that is wrong in it; its texts show no more of the file than names of up to
// 32 characters, so that a key in the wrong file stays unseen.
func Parse(data []byte) (*Policy, error) {
	p := &parser{policy: &Policy{fallback: true}}
	switch {
	case len(data) > MaxFile:
		p.wrong("see whether this is a policy file", "the file is larger than 1 MiB")
	case !utf8.Valid(data):
		p.line = bytes.Count(data[:firstInvalid(data)], []byte("\n")) + 1
		p.wrong("save the file as UTF-8", "it is not UTF-8 text")
	default:
		for line := range strings.Lines(string(data)) {
			p.line++
			p.statement(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
			if len(p.problems) >= maxProblems {
				break
			}
		}
	}
	if len(p.problems) > 0 {
		return nil, &SyntaxError{p.problems}
	}
	return p.policy, nil
}

// firstInvalid is where data stops being UTF-8.
func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// parser reads one file.
type parser struct {
	policy   *Policy
	line     int // being read
	problems []Problem
}

// wrong notes a problem of the line being read.
func (p *parser) wrong(hint, format string, args ...any) {
	p.problems = append(p.problems, Problem{max(p.line, 1), fmt.Sprintf(format, args...), hint})
}

const statementHint = `a line begins with "group", "allow", "deny", "grant" or "default"; "NAME:" may stand before allow and deny`

// statement reads one line.
func (p *parser) statement(line string) {
	all, err := words(line)
	if err != nil {
		p.wrong("correct the line", "%v", err)
		return
	}
	if len(all) == 0 {
		return
	}
	if p.policy.stated {
		p.wrong("put the default last", "something follows after the default")
		return
	}
	name, named := strings.CutSuffix(all[0], ":")
	if named {
		all = all[1:]
	}
	verb := ""
	if len(all) > 0 {
		verb = all[0]
	}
	switch {
	case verb == "allow" || verb == "deny":
		p.rule(name, named, all)
	case named && slices.Contains([]string{"group", "grant", "default"}, verb):
		p.wrong("leave the name", "only allow and deny have a name")
	case verb == "group":
		p.group(all)
	case verb == "grant":
		p.grant(all)
	case verb == "default":
		p.fallback(all)
	default:
		p.wrong(statementHint, "the line is no statement")
	}
}

// fallback reads "default allow".
func (p *parser) fallback(all []string) {
	if len(all) != 2 || all[1] != "allow" && all[1] != "deny" {
		p.wrong(`write "default allow" or "default deny"`, "the default is allow or deny")
		return
	}
	p.policy.fallback, p.policy.stated = all[1] == "allow", true
}

// group reads "group NAME = CALLERS".
func (p *parser) group(all []string) {
	if len(all) < 4 || all[2] != "=" {
		p.wrong(`write "group NAME = key:… name:…"`, "a group is a name, = and callers")
		return
	}
	if !p.goodName("a group", all[1]) || p.full(len(p.policy.groups)) {
		return
	}
	if p.groupNamed(all[1]) != nil {
		p.wrong("leave one of the two, or choose another name", "the group %s is there twice", all[1])
		return
	}
	g := &group{name: all[1], line: p.line}
	g.members = p.callers(all[3:], false)
	p.policy.groups = append(p.policy.groups, g)
}

func (p *parser) groupNamed(name string) *group {
	for _, g := range p.policy.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// grant reads "grant RIGHT… to CALLERS".
func (p *parser) grant(all []string) {
	to := slices.Index(all, "to")
	if to < 2 || to == len(all)-1 {
		p.wrong(`write "grant RIGHT to CALLERS"`, `a grant is rights, "to" and callers`)
		return
	}
	if p.full(len(p.policy.grants)) {
		return
	}
	g := &grant{line: p.line, text: strings.Join(all, " "), rights: all[1:to]}
	for _, right := range g.rights {
		p.goodName("a right", right)
	}
	g.callers = p.callers(all[to+1:], true)
	p.policy.grants = append(p.policy.grants, g)
}

// full notes that there are too many statements of a kind.
func (p *parser) full(count int) bool {
	if count < MaxRules {
		return false
	}
	p.wrong("put callers into groups and commands below common roots", "there are more than %d statements of this kind", MaxRules)
	return true
}
