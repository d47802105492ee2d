package wire

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// NameError tells why a name is not allowed.
type NameError struct {
	Kind   string // what it names: "name", "network"
	Reason string // which rule is broken, where
}

// Error implements error. The text holds at most one character of the name.
func (e *NameError) Error() string { return e.Kind + " " + e.Reason }

// CheckName checks a node or network name (section 9): 1 to 64 bytes of UTF-8
// without control characters and without ". | :". The error is a *NameError;
// kind says in it what s was to name.
func CheckName(kind, s string) error {
	refuse := func(format string, args ...any) error {
		return &NameError{kind, fmt.Sprintf(format, args...)}
	}
	switch {
	case s == "":
		return refuse("is empty")
	case len(s) > MaxName:
		return refuse("has %d bytes, at most %d are allowed", len(s), MaxName)
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return refuse("is not valid UTF-8 at byte %d", i+1)
			}
		}
		switch {
		case unicode.IsControl(r):
			return refuse("has the control character %U at byte %d", r, i+1)
		case r == '.' || r == '|' || r == ':':
			return refuse("has the character %q at byte %d; . | : are not allowed", r, i+1)
		}
	}
	return nil
}
