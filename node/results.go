package node

import (
	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// Results counts answers by the class of their result.
type Results struct {
	// OK counts values.
	OK uint64
	// CallerErrors counts what the caller is to blame for or wanted itself:
	// CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS,
	// FAILED_PRECONDITION, ABORTED and OUT_OF_RANGE.
	CallerErrors uint64
	// ServerErrors counts what the callee is to blame for: UNKNOWN,
	// DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL and DATA_LOSS.
	ServerErrors uint64
	// Refused counts what the callee would not do: PERMISSION_DENIED,
	// RESOURCE_EXHAUSTED, UNAVAILABLE and UNAUTHENTICATED.
	Refused uint64
}

// of returns the counter of a code's class.
func (r *Results) of(code commands.Code) *uint64 {
	switch code {
	case 0:
		return &r.OK
	case commands.Cancelled, commands.InvalidArgument, commands.NotFound, commands.AlreadyExists,
		commands.FailedPrecondition, commands.Aborted, commands.OutOfRange:
		return &r.CallerErrors
	case commands.PermissionDenied, commands.ResourceExhausted, commands.Unavailable, commands.Unauthenticated:
		return &r.Refused
	}
	return &r.ServerErrors
}

// minus is what came to r since the earlier o.
func (r Results) minus(o Results) Results {
	return Results{
		OK: r.OK - o.OK, CallerErrors: r.CallerErrors - o.CallerErrors,
		ServerErrors: r.ServerErrors - o.ServerErrors, Refused: r.Refused - o.Refused,
	}
}

// resultsOf adds up the answers of a server by class.
func resultsOf(s rpc.Stats) (r Results) {
	for code, count := range s.Results {
		*r.of(commands.Code(code)) += count
	}
	return r
}

// byCode names the codes of the answers that a server sent; those that did not
// occur are absent. Values are "OK".
func byCode(s rpc.Stats) map[string]uint64 {
	counts := map[string]uint64{}
	for code, count := range s.Results {
		if count > 0 {
			counts[commands.Code(code).String()] = count
		}
	}
	return counts
}
