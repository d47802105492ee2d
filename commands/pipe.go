package commands

import "errors"

// Pipe carries the bytes of one streaming call, both ways, as its handler sees
// it. Each direction ends by itself; the call ends when the handler returns.
//
// One goroutine may read while another writes. Reading and writing wait for the
// other side, so that a slow reader slows the writer down and neither holds more
// than a few hundred KiB. A stop channel ends such a wait with [ErrStopped]
// when it is closed; nil waits on.
type Pipe interface {
	// Read returns what the other side wrote, at least one byte, in order. It
	// returns io.EOF once the other side has ended its direction and all is read,
	// and another error when the call has ended without that.
	Read(stop <-chan struct{}, p []byte) (int, error)
	// Write sends all of p, or returns how much of it was handed over and why
	// no more: the call was cancelled, or its link ended.
	Write(stop <-chan struct{}, p []byte) (int, error)
	// CloseWrite ends this side's direction, once; the other side reads io.EOF.
	// Returning from the handler does the same.
	CloseWrite() error
	// Open tells the caller that the call has begun, before anything is
	// written; at most once, and the first Write does it too.
	Open() error
}

// ErrStopped ends a wait in a [Pipe] whose stop channel was closed.
var ErrStopped = errors.New("commands: the wait was stopped")
