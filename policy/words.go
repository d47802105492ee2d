package policy

import (
	"errors"
	"strings"
	"unicode"
)

// words splits a line at white space outside of quotes, which stay in the
// words. A # in front of a word begins a comment.
func words(line string) ([]string, error) {
	var out []string
	start, quoted, escaped := -1, false, false
	for i, r := range line {
		switch {
		case unicode.IsControl(r) && r != '\t':
			return nil, errors.New("it has a control character")
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
			if start < 0 {
				start = i
			}
		case quoted:
		case r == ' ' || r == '\t':
			if start >= 0 {
				out = append(out, line[start:i])
			}
			start = -1
		case r == '#' && start < 0:
			return out, nil
		case start < 0:
			start = i
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if start >= 0 {
		out = append(out, line[start:])
	}
	return out, nil
}

var errQuotes = errors.New("quotes enclose a whole name, or a whole segment of a path")

// unquote returns what a text stands for that is quoted whole or not at all.
func unquote(s string) (text string, quoted bool, err error) {
	if !strings.Contains(s, `"`) {
		return s, false, nil
	}
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false, errQuotes
	}
	var b strings.Builder
	for inner := s[1 : len(s)-1]; inner != ""; inner = inner[1:] {
		switch {
		case inner[0] == '"':
			return "", false, errQuotes
		case inner[0] != '\\':
		case len(inner) > 1 && (inner[1] == '"' || inner[1] == '\\'):
			inner = inner[1:]
		default:
			return "", false, errors.New(`in quotes a backslash stands before " or \`)
		}
		b.WriteByte(inner[0])
	}
	return b.String(), true, nil
}

// atDots splits a path at the dots outside of quotes.
func atDots(s string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '.' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
