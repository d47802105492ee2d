package commands

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Error is the outcome of a call that gave no value, and of a registration
// that was refused. It carries what a caller needs in order to decide: what
// kind of failure, whether the command ran, where it failed, and when another
// attempt makes sense.
//
// A handler that returns an *Error chooses the code that its caller sees; the
// text, the details and RetryAfter travel with it. Hint and Cause stay on the
// machine where they were set.
//
// An Error is not changed after it was returned, so it may be read from
// several goroutines.
type Error struct {
	Code       Code
	Message    string
	Executed   Executed
	Where      Where          // zero when no call is concerned
	RetryAfter time.Duration  // zero = no advice; sent in whole milliseconds
	Details    map[string]any // values as in [EncodeValue]; nil = none

	Hint  string // what the reader could do; not sent
	Cause error  // what lies beneath; not sent

	// notRun is set by DidNotRun: Executed alone cannot tell "no" from "not said".
	notRun bool
}

// Errorf returns an Error with a code and a formatted message. A %w operand
// becomes its Cause, which stays on this machine although its text is in the message.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Message: err.Error()}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.Cause = u.Unwrap()
	}
	return e
}

// DidNotRun marks e as the refusal of a handler that changed nothing, so that
// the caller learns "executed no" and may safely repeat the call. Without
// it, what a handler returns is reported as executed. It returns e.
func (e *Error) DidNotRun() *Error {
	e.Executed, e.notRun = ExecutedNo, true
	return e
}

// Error returns "NOT_FOUND: no command "x" (did not run)". What is in
// brackets is there for outcomes of calls only.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	var b strings.Builder
	b.WriteString(e.Code.String())
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Where == 0 {
		return b.String()
	}
	switch e.Executed {
	case ExecutedNo:
		b.WriteString(" (did not run)")
	case ExecutedYes:
		b.WriteString(" (did run)")
	default:
		b.WriteString(" (may have run)")
	}
	return b.String()
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Cause
}

// Is lets [errors.Is] find the code of e, and the two errors of package
// context under their codes.
func (e *Error) Is(target error) bool {
	if e == nil {
		return false
	}
	switch target {
	case context.DeadlineExceeded:
		return e.Code == DeadlineExceeded
	case context.Canceled:
		return e.Code == Cancelled
	}
	code, ok := target.(Code)
	return ok && code == e.Code
}
