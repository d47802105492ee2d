package commands

import "strings"

// Pattern matches paths: a dotted path in which a segment may be "*", which
// stands for any one segment, and the last one "**", which stands for one or
// more: "lights.*.set", "lights.**". Only "**" alone and patterns that name a
// reserved root match reserved paths. The zero Pattern matches nothing.
type Pattern struct {
	text     string
	segments []string
	rest     bool // it ended in "**", which segments leaves out
}

// ParsePattern checks s. The error is an *[Error] with the code
// [InvalidArgument]; it belongs to no call yet.
func ParsePattern(s string) (Pattern, error) {
	p := Pattern{text: s, segments: strings.Split(s, ".")}
	if last := len(p.segments) - 1; p.segments[last] == "**" {
		p.segments, p.rest = p.segments[:last], true
	}
	if len(p.segments) == 0 {
		return p, nil
	}
	for _, segment := range p.segments {
		if strings.Contains(segment, "*") && segment != "*" {
			return Pattern{}, Errorf(InvalidArgument, "pattern %s: segment %s: a star stands for a whole segment, and \"**\" is the last one", quoted(s), quoted(segment))
		}
	}
	if reason := badPath(strings.Join(p.segments, ".")); reason != "" {
		return Pattern{}, Errorf(InvalidArgument, "pattern %s: %s", quoted(s), reason)
	}
	return p, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern stands for path.
func (p Pattern) Match(path Path) bool {
	if p.text == "" || path.IsZero() {
		return false
	}
	if len(p.segments) > 0 && p.segments[0] == "*" && path.Reserved() {
		return false
	}
	rest, more := path.text, true
	for _, want := range p.segments {
		if !more {
			return false
		}
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		if want != "*" && want != segment {
			return false
		}
	}
	return more == p.rest
}
