package commands

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of a command path.
const (
	MaxPath     = 1024 // bytes of a whole path
	MaxSegment  = 128  // bytes of one segment
	MaxSegments = 32   // segments of a path
)

// Path is the checked name of a command: "lights.kitchen.set". [ParsePath]
// is the only way to one, so whoever decides about rights and whoever
// dispatches hold the same value. Paths compare with ==, byte by byte: case
// matters and nothing is ever normalised. The zero Path names nothing.
type Path struct{ text string }

// ParsePath checks s. A path is one or more segments joined by single dots;
// each is printable UTF-8 in composed form, where the only white space is the
// ASCII space, not at either end. What is not in this form is refused, never
// repaired: with one spelling for each path there is nothing to confuse.
//
// The error is an *[Error] with the code [InvalidArgument]. It belongs to no
// call yet: Where is zero.
func ParsePath(s string) (Path, error) {
	if reason := badPath(s); reason != "" {
		return Path{}, Errorf(InvalidArgument, "command path %s: %s", quoted(s), reason)
	}
	return Path{s}, nil
}

// String returns the path with its dots.
func (p Path) String() string { return p.text }

// IsZero reports whether p is the zero Path.
func (p Path) IsZero() bool { return p.text == "" }

// Segments yields the segments in order.
func (p Path) Segments() iter.Seq[string] { return strings.SplitSeq(p.text, ".") }

// Reserved reports whether the path lies under a root of the form __x__, which
// fernmesh keeps for itself.
func (p Path) Reserved() bool {
	root, _, _ := strings.Cut(p.text, ".")
	return len(root) > 4 && strings.HasPrefix(root, "__") && strings.HasSuffix(root, "__")
}

// badPath says what is wrong with s, or "".
func badPath(s string) string {
	if usualPath(s) {
		return ""
	}
	switch {
	case s == "":
		return "is empty"
	case len(s) > MaxPath:
		return fmt.Sprintf("has %d bytes, more than %d", len(s), MaxPath)
	case strings.Count(s, ".") >= MaxSegments:
		return fmt.Sprintf("has more than %d segments", MaxSegments)
	}
	n := 0
	for segment := range strings.SplitSeq(s, ".") {
		n++
		if reason := badSegment(segment); reason != "" {
			return fmt.Sprintf("segment %d %s", n, reason)
		}
	}
	return ""
}

// usualPath reports whether s is a good path of printable ASCII without spaces,
// as nearly all are; it costs a fraction of looking at every character.
func usualPath(s string) bool {
	segments, length := 1, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && length > 0:
			segments, length = segments+1, 0
		case c <= ' ' || c >= utf8.RuneSelf-1 || c == '.' || length == MaxSegment:
			return false
		default:
			length++
		}
	}
	return length > 0 && segments <= MaxSegments && len(s) <= MaxPath
}

// badSegment says what is wrong with one segment, or "".
func badSegment(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > MaxSegment:
		return fmt.Sprintf("has %d bytes, more than %d", len(s), MaxSegment)
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case s[0] == ' ' || s[len(s)-1] == ' ':
		return "begins or ends with a space"
	}
	for i, r := range s {
		switch {
		case r == '.':
			return "contains a dot"
		case !unicode.IsPrint(r):
			return fmt.Sprintf("contains the character %U", r)
		case decomposed(r), i == 0 && unicode.Is(unicode.Mn, r):
			return fmt.Sprintf("contains the combining character %U; write it in composed form (NFC)", r)
		}
	}
	return ""
}

// decomposed reports the characters that appear where text was taken apart
// (NFD): accents after their letter, single Hangul letters, Kana voice marks.
// Two spellings that look the same would otherwise be two commands.
func decomposed(r rune) bool {
	return r >= 0x0300 && r <= 0x036f || r >= 0x1100 && r <= 0x11ff || r == 0x3099 || r == 0x309a
}

// quoted makes s fit for a message: escaped and cut to a readable length.
func quoted(s string) string {
	const longest = 80
	if len(s) > longest {
		return fmt.Sprintf("%+q…", s[:longest])
	}
	return fmt.Sprintf("%q", s)
}
