package node

import (
	"context"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
	"github.com/fernmesh/fernmesh/policy"
)

// pathSelf is the kind of path of calls that a node makes to itself. No link
// has it.
const pathSelf = "self"

// openGate takes the policy of the configuration, if there is one.
func (n *Node) openGate() error {
	p := n.cfg.Policy
	if n.cfg.PolicyFile != "" {
		if p != nil {
			return &ConfigError{"PolicyFile", "Policy is set as well", "set one of the two"}
		}
		n.policy = &policyFile{name: n.cfg.PolicyFile}
		var err error
		if p, err = n.policy.load(); err != nil {
			return &ConfigError{"PolicyFile", brief(n.cfg.PolicyFile, err), `"fernmesh policy check FILE" shows all that is wrong in it`}
		}
	}
	if p != nil {
		n.gate = policy.NewGuard(p, n.cfg.Limits.PolicyCallers)
	}
	return nil
}

// gated lets calls pass that the policy allows, and holds their place under the
// limits of its rule until they are answered, which for a stream is its end.
// What a node asks of itself passes: its program could run the command anyway.
func (n *Node) gated(next rpc.ServeFunc) rpc.ServeFunc {
	if n.gate == nil {
		return next
	}
	return func(ctx context.Context, cmd *commands.Command, c *commands.Call, answer func([]byte, *commands.Error)) {
		if c.Caller.Path == pathSelf {
			next(ctx, cmd, c, answer)
			return
		}
		rights := cmd.Description().Rights
		if c.DryRun {
			decision, err := n.gate.Check(c.Caller, c.Path, rights...)
			if err != nil {
				answer(nil, err)
				return
			}
			next(context.WithValue(ctx, decisionKey{}, decision), cmd, c, answer)
			return
		}
		release, err := n.gate.Admit(c.Caller, c.Path, rights...)
		if err != nil {
			answer(nil, err)
			return
		}
		next(ctx, cmd, c, func(value []byte, err *commands.Error) {
			release() // before the answer: the caller's next call finds the place free
			answer(value, err)
		})
	}
}

// addPolicyStats adds what the gate counted.
func (n *Node) addPolicyStats(s *Stats) {
	s.PolicyReloads, s.PolicyReloadsFailed = n.count.PolicyReloads.Load(), n.count.PolicyReloadsFailed.Load()
	if n.gate == nil {
		return
	}
	g := n.gate.Stats()
	s.PolicyDenied, s.PolicyLimited, s.PolicyForgotten = g.Denied, g.Limited, g.Forgotten
}
