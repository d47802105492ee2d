package policy

import "strings"

// pattern fits paths of commands.
type pattern struct {
	segments []segment
	deep     bool // ends with **: one or more segments follow
}

// segment is one segment of a pattern: a name, or any.
type segment struct {
	text string
	any  bool
}

// fits tells whether path, in the form of commands.Path, fits the pattern.
func (p *pattern) fits(path string) bool {
	rest, more := path, true
	for _, s := range p.segments {
		if !more {
			return false
		}
		var name string
		name, rest, more = strings.Cut(rest, ".")
		if !s.any && s.text != name {
			return false
		}
	}
	return more == p.deep
}

// covers tells whether every path that fits q fits p as well.
func (p *pattern) covers(q *pattern) bool {
	if len(p.segments) > len(q.segments) {
		return false
	}
	for i, s := range p.segments {
		if !s.any && (q.segments[i].any || s.text != q.segments[i].text) {
			return false
		}
	}
	if len(p.segments) == len(q.segments) {
		return p.deep == q.deep
	}
	return p.deep
}
