package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// verdict turns the last failure of a call into the error its caller gets. It
// never claims that the command did not run when an attempt may have sent it.
func (c *calling) verdict(ctx context.Context, err error) error {
	var remote *commands.Error
	if errors.As(err, &remote) {
		if (c.before || c.breaks > 0 && c.may) && remote.Executed == commands.ExecutedNo && remote.Where < commands.WhereHandler {
			e := *remote
			e.Executed = commands.ExecutedMaybe
			return &e
		}
		return remote
	}
	if r := refusal(c.whom(), err); r != nil {
		return c.fail(commands.PermissionDenied, commands.WherePath, r, refusalHint(r))
	}
	if r := turnedAway(c.whom(), err); r != nil {
		return c.fail(commands.Unavailable, commands.WherePath, r, "try again later, or call another node")
	}
	var (
		unknown   *UnknownNameError
		ambiguous *AmbiguousNameError
		nopath    *NoPathError
		nobody    *NoServiceError
	)
	switch {
	case errors.As(err, &nobody) && nobody.Offered:
		return c.fail(commands.Unavailable, commands.WherePath, nobody, "try again when a member is ready, or wait with WaitForService")
	case errors.As(err, &nobody):
		return c.fail(commands.NotFound, commands.WherePath, nobody, "check the name of the service, and that a node offers it in the same network")
	case errors.As(err, &unknown):
		return c.fail(commands.NotFound, commands.WherePath, unknown, c.node.unknownHint())
	case errors.As(err, &ambiguous):
		return c.fail(commands.FailedPrecondition, commands.WherePath, ambiguous, "rename or stop one of them")
	case errors.As(err, &nopath):
		return c.fail(commands.Unavailable, commands.WherePath, nopath, "see which of its paths answers with \"fernmesh ping --paths\"")
	case errors.Is(err, ErrShutdown), errors.Is(err, ErrNotStarted):
		return c.fail(commands.Unavailable, commands.WhereCaller, err, "")
	case errors.Is(err, errRestarted):
		return c.fail(commands.Unavailable, commands.WherePath, err, "mark the call idempotent if it may run twice")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return c.fail(commands.DeadlineExceeded, commands.WherePath, c.late(), "allow more time, or ask the node why it is slow")
	case ctx.Err() != nil:
		return c.fail(commands.Cancelled, commands.WhereCaller, context.Cause(ctx), "")
	}
	return c.fail(commands.Unavailable, commands.WherePath, err, "")
}

func (c *calling) late() error {
	if c.may {
		return fmt.Errorf("no answer from %q by the deadline", c.whom())
	}
	return fmt.Errorf("%q could not be reached by the deadline", c.whom())
}

// whom names the member that the call goes to, or its target.
func (c *calling) whom() string {
	if c.to.name != "" {
		return c.to.name
	}
	return c.target
}

func (c *calling) fail(code commands.Code, where commands.Where, cause error, hint string) error {
	ran := commands.ExecutedNo
	if c.may || c.before {
		ran = commands.ExecutedMaybe
	}
	return callError(code, ran, where, cause, hint)
}

// refusal finds a peer's or our own refusal in an error: a BYE that another
// attempt would only meet again.
func refusal(name string, err error) *RefusedError { return byeIn(name, err, final) }

// turnedAway finds in an error a BYE with which a peer took no link this time,
// though it may take one later.
func turnedAway(name string, err error) *RefusedError { return byeIn(name, err, passing) }

// byeIn finds a BYE of either side in an error, if its code is of a kind.
func byeIn(name string, err error, kind func(byeCode) bool) *RefusedError {
	var (
		own    *link.RefusedError
		remote *rpc.ByeError
	)
	switch {
	case errors.As(err, &own) && kind(own.Refusal.Code):
		return &RefusedError{name, uint16(own.Refusal.Code), own.Refusal.Code.String(), own.Refusal.Text, own.Refusal.Hint}
	case errors.As(err, &remote) && kind(remote.Bye.Code):
		return &RefusedError{name, uint16(remote.Bye.Code), remote.Bye.Code.String(), remote.Bye.Text, ""}
	}
	return nil
}

// final tells whether a BYE refuses for good. The others say that this link
// ends while another may be made.
func final(code byeCode) bool {
	switch code {
	case byeNotAllowed, byeNoService, byeWrongTarget:
		return true
	}
	return false
}

// passing tells whether a BYE refuses for the moment.
func passing(code byeCode) bool { return code == byeBusy || code == byeDraining }

func refusalHint(r *RefusedError) string {
	if r.Hint != "" {
		return r.Hint
	}
	switch byeCode(r.Code) {
	case byeWrongTarget:
		return "another node answers at that address; check the name and the address"
	case byeNoService:
		return "one of the two nodes has RequireCommonService: offer a service that both offer"
	}
	if r.Text == link.RetiredText {
		return "copy the key file from a machine that has the new key"
	}
	return "ask the node's owner to allow this caller"
}
