package relay

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors of Connect. What the relay itself says is a *RefusedError, what answers
// in its place an *UpgradeError.
var (
	// ErrConnectTimeout: the relay was not joined within Timers.Connect.
	ErrConnectTimeout = errors.New("relay: not joined in time")
	// ErrPin: another relay than the pinned one answers.
	ErrPin = errors.New("relay: the relay's id is not the pinned one")
	// ErrProof: what answers has not the key of the id that it claims.
	ErrProof = errors.New("relay: the relay did not prove its id")
	// ErrNotTLS: the server does not speak TLS.
	ErrNotTLS = errors.New("relay: the server does not speak TLS (write the address without https://)")
	// ErrNoRoom: Config.Room gave no key.
	ErrNoRoom = errors.New("relay: no room at this relay")
)

// Errors that end a joined client.
var (
	// ErrClosed: Client.Close was called, or has been.
	ErrClosed = errors.New("relay: client is closed")
	// ErrHungUp: the relay closed the connection.
	ErrHungUp = errors.New("relay: the relay closed the connection")
	// ErrSilent: two PINGs in a row had no answer.
	ErrSilent = errors.New("relay: the relay does not answer")
	// ErrNotReading: the relay did not take what was written to it.
	ErrNotReading = errors.New("relay: the relay does not read")
	// ErrProtocol: the relay sent what the protocol does not allow.
	ErrProtocol = errors.New("relay: protocol violation")
)

// Errors of Client.Open, Client.Cast and Channel.WriteRecord about their
// arguments or limits. They end nothing.
var (
	ErrTooManySessions = errors.New("relay: too many sessions")
	ErrTokenLength     = errors.New("relay: a presence token has 1 to 1,400 bytes")
	ErrRecordLength    = errors.New("relay: a record has 1 to 87,480 bytes")
)

// RefusedError is returned when the relay turned the client away, at the door
// or later. It is the content of an ERROR frame.
type RefusedError struct {
	Code       ErrorCode
	RetryAfter time.Duration // when to come back; 0 is no advice
	Text       string        // the relay's words, for people; not trusted
}

// Error implements error.
func (e *RefusedError) Error() string {
	text := "relay: refused: " + e.Code.String()
	if e.Text != "" {
		text += fmt.Sprintf(": %q", e.Text)
	}
	return text
}

// GoneError ends a channel whose session ended while the relay lives on. A
// session that the peer closed is also io.EOF to errors.Is.
type GoneError struct {
	Code  GoneCode
	Local bool // this end found it, by its own limit or because the member left
}

// Error implements error.
func (e *GoneError) Error() string { return "relay: session ended: " + e.Code.String() }

// Is implements the interface of errors.Is.
func (e *GoneError) Is(target error) bool { return target == io.EOF && e.Code == GoneClosed }

// LostError ends the channels of a client whose connection to the relay ended.
type LostError struct {
	Relay string // its authority
	Cause error
}

// Error implements error.
func (e *LostError) Error() string {
	return fmt.Sprintf("relay: connection to %s lost: %v", e.Relay, e.Cause)
}

// Unwrap returns the cause, which is also what Client.Run returned.
func (e *LostError) Unwrap() error { return e.Cause }
