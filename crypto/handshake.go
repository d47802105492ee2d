package crypto

import (
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// HandshakeLen is the length of either handshake message: ephemeral key (32),
// payload (64), tag (16).
const HandshakeLen = 112

// Cause says why a handshake failed. It is for counters: the other side gets no answer, whatever the cause.
type Cause uint8

// The causes.
const (
	CauseConfig   Cause = iota + 1 // our own offer, path or keys are not usable
	CauseLength                    // the message has not HandshakeLen bytes
	CauseKey                       // no key of ours opens it: a stranger, another network, another path, or altered
	CauseReplay                    // message 1 was here before
	CausePayload                   // authentic, but its payload makes no sense
	CauseVersion                   // no common version
	CauseDH                        // the other's ephemeral key is of low order
	CauseInternal                  // a panic, or a random source that failed
)

// String returns a word for the cause.
func (c Cause) String() string {
	switch c {
	case CauseConfig:
		return "config"
	case CauseLength:
		return "length"
	case CauseKey:
		return "key"
	case CauseReplay:
		return "replay"
	case CausePayload:
		return "payload"
	case CauseVersion:
		return "version"
	case CauseDH:
		return "dh"
	case CauseInternal:
		return "internal"
	}
	return "unknown"
}

// HandshakeError is the error of a failed handshake.
type HandshakeError struct {
	Cause Cause
	err   error
}

// Error names the cause.
func (e *HandshakeError) Error() string {
	if e.err == nil {
		return "handshake failed: " + e.Cause.String()
	}
	return "handshake failed: " + e.Cause.String() + ": " + e.err.Error()
}

// Unwrap returns the error below, if any.
func (e *HandshakeError) Unwrap() error { return e.err }

func handshakeError(c Cause, err error) *HandshakeError { return &HandshakeError{Cause: c, err: err} }

var cipherSuite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// newState begins Noise_NNpsk0_25519_ChaChaPoly_SHA256 (section 2). random is nil except in tests.
func newState(s *Schedule, t Transport, path []byte, initiator bool, random io.Reader) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite:  cipherSuite,
		Random:       random,
		Pattern:      noise.HandshakeNN,
		Initiator:    initiator,
		Prologue:     prologue(s, t, path),
		PresharedKey: s.psk[:],
	})
}

// recovered turns a panic of a library into an error: nothing that a stranger sends ends the process.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = handshakeError(CauseInternal, fmt.Errorf("panic: %v", p))
	}
}
