package node

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
)

// Errors of a node's life. Errors of calls are [*commands.Error] values that
// wrap the types below where these are the cause.
var (
	// ErrNameTaken ends Start when another live node holds the name.
	ErrNameTaken = errors.New("the name is taken by another live node of the network")
	// ErrStarted answers a second Start.
	ErrStarted = errors.New("the node was started before; make a new one")
	// ErrNotStarted answers Shutdown and calls before Start.
	ErrNotStarted = errors.New("the node is not started")
	// ErrShutdown answers calls made during or after Shutdown.
	ErrShutdown = errors.New("the node is shut down")

	errObserver = errors.New("an observer offers nothing")
)

// UnknownNameError says that no live node with that name was found in time.
type UnknownNameError struct {
	Name  string
	Known []string // sorted names of the members that are known
}

func (e *UnknownNameError) Error() string {
	known := "no other node is known"
	if len(e.Known) > 0 {
		known = "known: " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("no node named %q was found (%s)", e.Name, known)
}

// NoServiceError says that no live node was found in time that takes calls for
// a service. [*commands.Error] wraps it as NOT_FOUND when nobody offers the
// service, as UNAVAILABLE when somebody does and nobody is ready.
type NoServiceError struct {
	Service string
	Offered bool     // somebody offers it, but is not ready or about to leave
	Known   []string // sorted services that the known members offer
}

func (e *NoServiceError) Error() string {
	if e.Offered {
		return fmt.Sprintf("no node that offers the service %q is ready", e.Service)
	}
	known := "no service is known"
	if len(e.Known) > 0 {
		known = "known: " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("no node offers the service %q (%s)", e.Service, known)
}

// AmbiguousNameError says that several live nodes claim one name; Claims
// describes each, by identity or instance, with its address.
type AmbiguousNameError struct {
	Name   string
	Claims []string
}

func (e *AmbiguousNameError) Error() string {
	return fmt.Sprintf("%d live nodes claim the name %q: %s", len(e.Claims), e.Name, strings.Join(e.Claims, " and "))
}

// NoPathError says that a known node could not be reached, with the reason of
// each address that was tried.
type NoPathError struct {
	Name  string
	Tried []string
}

func (e *NoPathError) Error() string {
	if len(e.Tried) == 0 {
		return fmt.Sprintf("no path to %q", e.Name)
	}
	return fmt.Sprintf("no path to %q (%s)", e.Name, strings.Join(e.Tried, "; "))
}

// RefusedError says that a peer parted with BYE instead of taking the call or
// the link, or that this node refused the peer.
type RefusedError struct {
	Name   string
	Code   uint16 // the protocol's BYE code, section 4
	Reason string // its name, such as "name taken"
	Text   string // what the peer added, if anything
	Hint   string // if this node refused the peer: what its owner can do
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%q refused: %s", e.Name, e.Reason)
	}
	return fmt.Sprintf("%q refused: %s: %s", e.Name, e.Reason, e.Text)
}

// callError builds the error of a call that failed on this side.
func callError(code commands.Code, ran commands.Executed, where commands.Where, cause error, hint string) *commands.Error {
	return &commands.Error{Code: code, Message: cause.Error(), Executed: ran, Where: where, Cause: cause, Hint: hint}
}
