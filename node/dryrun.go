package node

import (
	"context"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
	"github.com/fernmesh/fernmesh/policy"
)

// DryRun makes a call that asks whether it would run. It goes all the way to
// the callee and there through everything that a call passes: the path, the
// limits on running calls, the policy with its rights, rates and concurrency,
// and the check of the arguments. It stops in front of the command. It fails
// with the error that the call would fail with at that moment; if the call would
// run, the answer is a [DryRunReport], whatever the command returns. Nothing of
// a rate is used up.
//
// What a plain handler takes only the handler knows, so there the arguments are
// not checked. Use it with Call and Gather: the answer does not fit the type
// that Invoke expects.
func DryRun() CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.dryRun = true; return o }}
}

// DryRunReport is the answer to a call with [DryRun]: [Reply.Decode] fills it.
type DryRunReport struct {
	WouldRun bool   `json:"would_run"` // always true: else the call fails
	Command  string `json:"command"`
	// Rule is what lets the caller pass: a rule of the callee's policy by name
	// or line, or "default"; empty where there is no policy, or it was not
	// asked because a node called itself.
	Rule string `json:"rule,omitempty"`
	// Rate (calls a second), Burst and Concurrency are that rule's limits for
	// each caller; 0 = none.
	Rate        float64 `json:"rate,omitempty"`
	Burst       int     `json:"burst,omitempty"`
	Concurrency int     `json:"concurrency,omitempty"`
	// Checked says that the arguments were checked: they are those of a typed
	// command.
	Checked bool `json:"arguments_checked"`
}

// dryRuns answers calls that only ask whether they would run, at the point
// where everything but the command has had its say.
func dryRuns(next rpc.ServeFunc) rpc.ServeFunc {
	return func(ctx context.Context, cmd *commands.Command, c *commands.Call, answer func([]byte, *commands.Error)) {
		if !c.DryRun {
			next(ctx, cmd, c, answer)
			return
		}
		if err := cmd.Check(c); err != nil {
			answer(nil, err)
			return
		}
		decision, _ := ctx.Value(decisionKey{}).(policy.Decision)
		value, err := commands.EncodeValue(DryRunReport{
			WouldRun: true, Command: cmd.Path().String(), Checked: cmd.Description().Input != nil,
			Rule: decision.Rule, Rate: decision.Rate, Burst: decision.Burst, Concurrency: decision.Concurrency,
		})
		if err != nil {
			answer(nil, callError(commands.Internal, commands.ExecutedNo, commands.WhereQueue, err, ""))
			return
		}
		answer(value, nil)
	}
}

// decisionKey is under what the gate's decision stands in a dry run's context.
type decisionKey struct{}
