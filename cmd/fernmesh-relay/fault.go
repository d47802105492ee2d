package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// The exit codes; those that fernmesh has too mean the same there.
const (
	exitOK      = 0
	exitFailure = 1 // it failed in another way
	exitUsage   = 2 // the command line is wrong; nothing was done
	exitConfig  = 3 // the configuration, a certificate or the identity is wrong; nothing was done
)

// fault is an error as a person gets it: what failed and with what, what to do
// next, and the exit code.
type fault struct {
	code int
	text string // no capital first, no full stop at the end
	hint string // the next step
}

// Error returns the text without the hint.
func (f *fault) Error() string { return f.text }

// faultf makes a fault of a code, a hint and a formatted text.
func faultf(code int, hint, format string, args ...any) *fault {
	return &fault{code: code, hint: hint, text: fmt.Sprintf(format, args...)}
}

// explain turns any error into a fault. What is none yet came from the parser
// of the command line.
func explain(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return faultf(exitUsage, `see "fernmesh-relay help"`, "%v", err)
}

// oneLine escapes what could end a line or act on a terminal: texts of errors
// may hold names of files and flags.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
