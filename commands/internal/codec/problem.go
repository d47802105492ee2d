package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Problem says why a value was not encoded or decoded, and where in it.
type Problem struct {
	Path string // ".points[2].x": how to get there from the value; "" is the value itself
	Text string // "expected …, got …"; it holds numbers but no texts and bytes of the value
	// TooLarge is set when a size limit is the reason.
	TooLarge bool
}

// Error joins path and text.
func (p *Problem) Error() string {
	if p.Path == "" {
		return p.Text
	}
	return strings.TrimPrefix(p.Path, ".") + ": " + p.Text
}

func problemf(format string, args ...any) error {
	return &Problem{Text: fmt.Sprintf(format, args...)}
}

// expected reports a value of the wrong kind.
func expected(what string, h head) error {
	return &Problem{Text: "expected " + what + ", got " + h.String()}
}

// below adds a step in front of the path of a Problem.
func below(step string, err error) error {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		p.Path = step + p.Path
	}
	return err
}

// inElement is below for an element, and inField for a named part.
func inElement(i int, err error) error { return below("["+strconv.Itoa(i)+"]", err) }

func inField(name string, err error) error {
	if err == nil {
		return nil
	}
	return below("."+label(name), err)
}

func unknown(name string) error { return &Problem{Path: "." + label(name), Text: "unknown"} }
func twice(name string) error   { return &Problem{Path: "." + label(name), Text: "given twice"} }

func missing(name, what string) error {
	return &Problem{Path: "." + label(name), Text: "missing; expected " + what}
}

// label makes a name that came from outside fit for a message.
func label(name string) string {
	const longest = 64
	if len(name) > longest {
		return fmt.Sprintf("%+q…", name[:longest])
	}
	if q := fmt.Sprintf("%+q", name); len(q) != len(name)+2 || name == "" {
		return q
	}
	return name
}
