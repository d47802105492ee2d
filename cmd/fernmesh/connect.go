package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

// partingTime is how long this program waits for a peer to take its goodbye.
const partingTime = 500 * time.Millisecond

// caller is a running observer with the settings it came from.
type caller struct {
	*node.Node
	settings
}

// calling makes the RunE of a subcommand that calls.
func (m *Main) calling(flags []*recorder, f func(ctx context.Context, c *caller, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return m.observe(cmd.Context(), flags, func(c *caller) error { return f(cmd.Context(), c, args) })
	}
}

// observe puts the settings together, brings up an observer, runs f and takes
// the observer down.
func (m *Main) observe(ctx context.Context, flags []*recorder, f func(c *caller) error) error {
	s, err := m.settings(flags)
	if err != nil {
		return err
	}
	n, err := s.newNode(node.Config{Observer: true})
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return s.startFault(err)
	}
	err = f(&caller{n, s})
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTime)
	defer cancel()
	for _, trouble := range n.StateTroubles() {
		m.notef("%v", trouble)
	}
	_ = n.Shutdown(end) // the answer is there; a peer that does not take a goodbye changes nothing
	return err
}

// newNode makes a node from the settings; cfg says what they do not.
func (s *settings) newNode(cfg node.Config) (*node.Node, error) {
	ring, err := s.keys()
	if err != nil {
		return nil, err
	}
	cfg.Network, cfg.Keys, cfg.Peers = s.network, ring, s.peers
	cfg.NoLAN, cfg.AdvertPort, cfg.Interfaces = s.noLAN, s.advertPort, s.interfaces
	cfg.BulkCipher = s.bulkCipher
	cfg.Relays, cfg.MaxRelays = s.relays, s.maxRelays
	cfg.StateDir, cfg.DefaultTimeout = s.stateDir, s.timeout
	cfg.Trust, cfg.Allow, cfg.Deny = s.trust, s.allow, s.deny
	n, err := node.New(cfg)
	if err != nil {
		return nil, s.configFault(err)
	}
	return n, nil
}

// optionOfField says which option stands behind a field of node.Config.
var optionOfField = map[string]*option{
	"Name": optionName, "Network": optionNetwork, "Keys": optionKeyFile, "Peers": optionPeer,
	"Relays": optionRelay, "MaxRelays": optionMaxRelays, "NoLAN": optionNoLAN,
	"AdvertPort": optionAdvertPort, "Interfaces": optionInterface, "Listen": optionListen, "Services": optionService, "Tags": optionTag, "StateDir": optionStateDir,
	"Trust": optionTrust, "Allow": optionAllow,
}

// configFault names the flag, variable or line of the config file that the
// library does not accept.
func (s *settings) configFault(err error) error {
	var bad *node.ConfigError
	if !errors.As(err, &bad) {
		return faultf(exitConfig, "name a directory of your own with --state-dir, or repair what the error names", "%v", err)
	}
	if bad.Field == "PolicyFile" { // what is wrong is in the file, wherever its name came from
		return faultf(exitConfig, bad.Hint, "policy: %s", bad.Reason)
	}
	o := optionOfField[bad.Field]
	if o == nil {
		return faultf(exitConfig, bad.Hint, "%v", bad)
	}
	return s.fieldFault(o, bad.Hint, bad.Reason)
}

// fieldFault names where the value of an option came from.
func (s *settings) fieldFault(o *option, hint, reason string) error {
	origin := s.origins[o.flag]
	switch origin {
	case "":
		return faultf(exitConfig, hint, "%s: %s", o.flag, reason)
	case "--" + o.flag:
		return faultf(exitUsage, hint, "%s: %s", origin, reason)
	}
	return faultf(exitConfig, hint, "%s: %s", origin, reason)
}

// startFault explains why a node did not start.
func (s *settings) startFault(err error) error {
	switch {
	case errors.Is(err, node.ErrNameTaken):
		return faultf(exitRefused, "stop the other node, or choose another name with --name", "the name %q is taken by another live node of network %q", s.name, s.network)
	case errors.Is(err, context.Canceled):
		return &fault{code: exitFailure, text: "interrupted", hint: "nothing was changed", cause: err}
	}
	return &fault{
		code: exitFailure, text: fmt.Sprintf("cannot start: %v", err), cause: err,
		hint: "see whether another program holds the port (--listen, --advert-port), and whether the interface is up (--interface)",
	}
}
