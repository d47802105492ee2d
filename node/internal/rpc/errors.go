package rpc

import (
	"errors"
	"fmt"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Causes of a link's end that this package gives.
var (
	// ErrParted: this side said BYE and both sides drained.
	ErrParted = errors.New("rpc: parted")
	// ErrDead: the peer did not answer a PING in time.
	ErrDead = errors.New("rpc: the peer does not answer")
	// ErrCredit: the peer sent more chunk bytes than it had credit for.
	ErrCredit = errors.New("rpc: the peer exceeded its credit")
	// ErrNumber: the peer began a call under a number that is not its own, or
	// not higher than the ones before.
	ErrNumber = errors.New("rpc: call number out of order")
	// ErrMixed: the peer mixed two kinds of message under one call number.
	ErrMixed = errors.New("rpc: chunks of two kinds under one number")
	// ErrAfterEnd: the peer sent more of a stream after it had ended it.
	ErrAfterEnd = errors.New("rpc: a chunk after the end of its stream")
	// ErrClosed: Close was called without a cause.
	ErrClosed = errors.New("rpc: closed")
)

// ErrParting refuses a call on a link on which this side said BYE.
var ErrParting = errors.New("rpc: the link is parting")

// Errors of a stream's ends. They do not end the link.
var (
	// ErrEnded: the call of the stream has ended; its result says how.
	ErrEnded = errors.New("rpc: the call of the stream has ended")
	// ErrWriteClosed: CloseWrite was called before.
	ErrWriteClosed = errors.New("rpc: this side has ended its direction of the stream")
)

// errStalled: the peer granted no credit for too long.
var errStalled = errors.New("rpc: the peer takes no more of a large message")

// BrokenError says that the link ended, or was parting, before the call had its
// answer. The call may go on over another link under the same call id.
type BrokenError struct {
	// Sent says that the whole call was handed to the link, so that the peer
	// may have run it (executed maybe). When false it has certainly not run
	// through this link.
	Sent bool
	// Cause is why the link ended or refused.
	Cause error
}

// Error implements error.
func (e *BrokenError) Error() string { return fmt.Sprintf("link broken: %v", e.Cause) }

// Unwrap gives the cause.
func (e *BrokenError) Unwrap() error { return e.Cause }

// AbandonedError says that the caller's own context ended before the answer
// came; the peer was told by CANCEL. It wraps the context's error.
type AbandonedError struct {
	Sent  bool // as in BrokenError
	Cause error
}

// Error implements error.
func (e *AbandonedError) Error() string { return e.Cause.Error() }

// Unwrap gives context.DeadlineExceeded or context.Canceled.
func (e *AbandonedError) Unwrap() error { return e.Cause }

// ByeError is the cause of a link that the peer ended after a BYE, and of the
// refusal of calls from that BYE on.
type ByeError struct{ Bye wire.Bye }

// Error implements error.
func (e *ByeError) Error() string {
	if e.Bye.Text == "" {
		return fmt.Sprintf("the peer parted: %v", e.Bye.Code)
	}
	return fmt.Sprintf("the peer parted: %v: %q", e.Bye.Code, e.Bye.Text)
}

// refusal tells whether a BYE that is the first message of a link turned it
// away at its HELLO, so that no call sent with it has run. Bye sends
// something else before it parts with one of these codes.
func refusal(code wire.ByeCode) bool {
	switch code {
	case wire.ByeBusy, wire.ByeNameTaken, wire.ByeNotAllowed, wire.ByeDraining, wire.ByeNoService, wire.ByeWrongTarget:
		return true
	}
	return false
}
