package sockets

import "errors"

// Causes of an [*Error], for errors.Is.
var (
	// ErrPortInUse: another socket has the port and does not share it.
	ErrPortInUse = errors.New("port in use")
	// ErrPermission: this user may not open the port (below 1024) or send so.
	ErrPermission = errors.New("permission denied")
	// ErrAddrUnavailable: the address is not, or not yet, one of this host.
	// An IPv6 address is tentative for about 2 s after its interface came up.
	ErrAddrUnavailable = errors.New("address not available")
)

// Error is a socket that could not be opened, or a group not joined.
type Error struct {
	Op   string // what was tried: "listen on TCP port 80"
	Hint string // what to do about it, "" if nothing better is known
	Kind error  // ErrPortInUse, ErrPermission, ErrAddrUnavailable, or nil
	Err  error  // the network stack's own error
}

// Error is the attempt, the reason and the hint in one line.
func (e *Error) Error() string {
	reason := e.Err
	if e.Kind != nil {
		reason = e.Kind
	}
	s := e.Op + ": " + reason.Error()
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives Kind and Err to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}
