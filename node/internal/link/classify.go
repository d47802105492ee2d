package link

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// causeOf finds the cause to count in any error that ends a link.
func causeOf(err error) Cause {
	var own *Error
	var refused *RefusedError
	var malformed *wire.MalformedError
	var guard *wire.GuardError
	switch {
	case errors.As(err, &own):
		return own.Cause
	case errors.As(err, &refused):
		if refused.Refusal.Code == wire.ByeWrongTarget {
			return CauseTarget
		}
		return CausePolicy
	case errors.As(err, &malformed), errors.As(err, &guard):
		return CauseMessage
	}
	return CauseLocal
}

// readCause classifies a failed read of an open link.
func readCause(err error) Cause {
	switch {
	case errors.Is(err, io.EOF):
		return CausePeerClosed
	case errors.Is(err, wire.ErrRecordLength):
		return CauseFrame
	}
	return CauseBroken
}

// openingCause classifies a failed read of a handshake.
func openingCause(err error) Cause {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return CauseTimeout
	case errors.Is(err, wire.ErrRecordLength):
		return CauseHandshake
	}
	return CauseClosed
}

func writeCause(err error) Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return CauseWriteTimeout
	}
	return CauseBroken
}

func frameCause(err error) Cause {
	if errors.Is(err, wire.ErrFrameSequence) {
		return CauseSequence
	}
	return CauseFrame
}

func handshakeCause(err error) Cause {
	var failed *crypto.HandshakeError
	if !errors.As(err, &failed) {
		return CauseHandshake
	}
	switch failed.Cause {
	case crypto.CauseReplay:
		return CauseReplay
	case crypto.CauseConfig:
		return CauseConfig
	case crypto.CauseInternal:
		return CausePanic
	}
	return CauseHandshake
}

func helloCause(err error) Cause {
	if errors.Is(err, crypto.ErrHelloSignature) {
		return CauseSignature
	}
	return CauseHelloForm
}

// contain turns a panic into an error. It stands around what reads a peer's
// bytes, so that a fault there ends one link and not the process.
func contain(err *error) {
	if p := recover(); p != nil {
		*err = &Error{CausePanic, fmt.Errorf("panic: %v", p)}
	}
}
