package commands

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
)

// Serve runs cmd for c on the calling goroutine and calls answer exactly
// once, with the encoded value or the error that the caller gets. Whatever the
// handler does, the process lives on: a panic, and runtime.Goexit, which also
// ends the goroutine after the answer, become INTERNAL with a random id. Only
// the log has the panic and its stack, under that id.
//
// What a handler returns as error becomes an *[Error], where handler:
//
//   - an *Error, also a wrapped one, keeps code, RetryAfter and details; it
//     counts as executed, unless it says [ExecutedMaybe] or [Error.DidNotRun]
//   - context.DeadlineExceeded is DEADLINE_EXCEEDED, context.Canceled CANCELLED
//   - any other error is UNKNOWN with its text; what it wraps is not sent
//   - an *Error variable that is nil is no error
//
// A value that cannot be encoded is INTERNAL, one above 64 MiB
// RESOURCE_EXHAUSTED, both executed yes. If ctx is over already, the command
// is not begun: executed no, where queue.
func Serve(ctx context.Context, cmd *Command, c *Call, answer func(value []byte, err *Error)) {
	if err := ctx.Err(); err != nil {
		e := FromHandler(err)
		e.Executed, e.Where = ExecutedNo, WhereQueue
		answer(nil, e)
		return
	}
	var failure *Error
	returned := false
	defer func() {
		if returned {
			return
		}
		cause := recover() // nothing after Goexit
		answer(nil, cmd.Crashed(cause))
	}()
	value, err := cmd.run(ctx, c)
	if err != nil {
		failure = FromHandler(err) // asks the error for its text: the handler's code too
	}
	returned = true
	answer(value, failure)
}

// Invoke is Serve for those who want to wait: it runs cmd on a goroutine of
// its own, so that runtime.Goexit in the handler does not take the caller
// along, and returns after the handler has.
func Invoke(ctx context.Context, cmd *Command, c *Call) ([]byte, *Error) {
	type result struct {
		value []byte
		err   *Error
	}
	done := make(chan result, 1)
	go Serve(ctx, cmd, c, func(value []byte, err *Error) { done <- result{value, err} })
	r := <-done
	return r.value, r.err
}

// Check tells whether the arguments of c are those that the command takes,
// without running it: nil, or INVALID_ARGUMENT, executed no, where handler. What
// a plain handler without [Input] takes only it knows, so for one the answer is nil.
func (cmd *Command) Check(c *Call) *Error {
	if cmd.check == nil {
		return nil
	}
	err := cmd.check(c)
	if err == nil {
		return nil
	}
	e := FromHandler(err)
	e.Executed = ExecutedNo
	return e
}

// FromHandler makes what a handler returned as error, which is not nil, into
// what its caller gets, by the rules of [Serve].
func FromHandler(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e) && e != nil:
		out := *e
		if err != error(e) { // wrapped: the outer text, without the inner code
			out.Message = strings.Replace(err.Error(), e.Error(), e.Message, 1)
		}
		if !out.Code.valid() {
			out.Code = Unknown
		}
		if out.Executed == ExecutedNo && !out.notRun {
			out.Executed = ExecutedYes
		}
		e = &out
	case errors.Is(err, context.DeadlineExceeded):
		e = &Error{Code: DeadlineExceeded, Message: err.Error(), Executed: ExecutedYes, Cause: err}
	case errors.Is(err, context.Canceled):
		e = &Error{Code: Cancelled, Message: err.Error(), Executed: ExecutedYes, Cause: err}
	default:
		e = &Error{Code: Unknown, Message: err.Error(), Executed: ExecutedYes, Cause: err}
	}
	e.Message = cleanText(e.Message)
	e.Where = WhereHandler
	return e
}

// Crashed makes the error of a handler that did not return, by the rules of
// [Serve], and logs why with the stack of the calling goroutine. cause is what it
// panicked with, nil after runtime.Goexit.
func (cmd *Command) Crashed(cause any) *Error {
	var id [4]byte
	rand.Read(id[:])
	e := Errorf(Internal, "internal error, id %s", hex.EncodeToString(id[:]))
	e.Executed, e.Where = ExecutedYes, WhereHandler
	if logger := cmd.logger.Load(); logger != nil {
		what := "the goroutine of the handler was ended"
		if cause != nil {
			what = fmt.Sprint(cause)
		}
		logger.Error("command panicked", slog.String("command", cmd.path.text),
			slog.String("id", hex.EncodeToString(id[:])), slog.String("panic", what), slog.String("stack", string(debug.Stack())))
	}
	return e
}
