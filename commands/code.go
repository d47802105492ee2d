package commands

import "strconv"

// Code is the kind of an error: one of the sixteen gRPC codes, with gRPC's
// numbers, which travel on the wire (protocol, sections 4 and 5).
//
// A Code is itself an error, so that it can be tested for:
//
//	if errors.Is(err, commands.NotFound) { … }
type Code uint32

// The codes. Zero, which is OK in gRPC, is not a code of an error.
const (
	Cancelled          Code = 1  // the caller withdrew the call
	Unknown            Code = 2  // a handler returned an error without a code
	InvalidArgument    Code = 3  // the arguments can never be right, whatever the state
	DeadlineExceeded   Code = 4  // the time for the call ran out
	NotFound           Code = 5  // no such command, or no such thing
	AlreadyExists      Code = 6  // what was to be made is there already
	PermissionDenied   Code = 7  // the caller is known and may not do this
	ResourceExhausted  Code = 8  // a limit is reached: size, number, memory, quota
	FailedPrecondition Code = 9  // the state must be changed before this can succeed
	Aborted            Code = 10 // a conflict with something concurrent; begin again
	OutOfRange         Code = 11 // past the end of something
	Unimplemented      Code = 12 // known, but not offered here
	Internal           Code = 13 // a broken invariant on the other side
	Unavailable        Code = 14 // not now; try again
	DataLoss           Code = 15 // data is lost or corrupt
	Unauthenticated    Code = 16 // the caller has not shown who it is
)

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
	"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// String returns the gRPC name, "NOT_FOUND" for instance.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "CODE_" + strconv.FormatUint(uint64(c), 10)
}

// Error makes a Code usable as the target of [errors.Is].
func (c Code) Error() string { return c.String() }

// valid reports whether c is one of the sixteen.
func (c Code) valid() bool { return c >= Cancelled && c <= Unauthenticated }

// Executed says whether the command ran, as far as whoever reports it knows.
type Executed uint8

// The three answers. They are the numbers of the wire.
const (
	ExecutedNo    Executed = 0 // it did not run, and will not under this call id
	ExecutedMaybe Executed = 1 // nobody knows
	ExecutedYes   Executed = 2 // it ran, or began to
)

// String returns "no", "maybe" or "yes".
func (x Executed) String() string {
	switch x {
	case ExecutedNo:
		return "no"
	case ExecutedYes:
		return "yes"
	default:
		return "maybe"
	}
}

// Where says at which station of its way a call failed.
type Where uint8

// The stations, with their numbers of the wire. Zero belongs to an error that
// is not the outcome of a call: a refused registration, for instance.
const (
	WhereCaller  Where = 1 // at the caller, before anything was sent
	WherePath    Where = 2 // between the two: a link or a dial
	WhereRelay   Where = 3 // at a relay
	WhereQueue   Where = 4 // at the callee, before a command took it
	WhereHandler Where = 5 // at the command: its arguments, its code, its result
)

// String returns "caller", "path", "relay", "queue", "handler", or "" for zero.
func (w Where) String() string {
	names := [...]string{"", "caller", "path", "relay", "queue", "handler"}
	if int(w) < len(names) {
		return names[w]
	}
	return "where " + strconv.Itoa(int(w))
}
