package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

func (m *Main) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [flags]",
		Short: "Make a new network, with this machine as its first node",
		Long: `Init makes a config file, a key file with a new network key, and this node's
identity, all in the user's config directory or beside the file of --config. It
asks nothing and overwrites nothing.

    fernmesh init --network home --relay relay.example:3376
    fernmesh serve
    fernmesh invite`,
		Args: between(0, 0),
	}
	flags := addFlags(cmd, []*option{optionConfig, optionNetwork, optionName, optionRelay, optionOutput})
	cmd.RunE = func(*cobra.Command, []string) error { return m.init(flags) }
	return cmd
}

func (m *Main) init(flags []*recorder) error {
	s, err := m.settingsWithoutFile(flags)
	if err != nil {
		return err
	}
	place, err := m.newSetup(flags, "init")
	if err != nil {
		return err
	}
	place.invite = invite{key: crypto.GenerateKey(), network: s.network}
	for _, text := range s.relays {
		a, err := relay.ParseAddress(text) // checked when it was read
		if err != nil {
			return err
		}
		place.relays = append(place.relays, a)
	}
	if place.name = s.name; place.name == "" {
		place.name = machineName()
	}
	if err := place.check(); err != nil {
		return err
	}
	if err := place.write(); err != nil {
		return err
	}
	return m.printSetup(place, s.json)
}

// printSetup says what was made and what comes next.
func (m *Main) printSetup(s *setup, asJSON bool) error {
	m.noteOverrides()
	if asJSON {
		return m.printJSON(map[string]any{
			"config": s.configFile, "key_file": s.keyFile(), "state_dir": s.stateDir(), "network": s.network, "name": s.name,
			"key_id": keyID(s.key, s.network), "identity": s.identity.String(), "relays": s.addresses(),
		})
	}
	config := ""
	if s.flagged {
		config = " --config " + shellWord(s.configFile)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "config file   %s\n", escapeLine(s.configFile))
	fmt.Fprintf(&b, "key file      %s (key id %s)\n", escapeLine(s.keyFile()), keyID(s.key, s.network))
	fmt.Fprintf(&b, "identity      %s, under %s\n", s.identity, escapeLine(s.stateDir()))
	fmt.Fprintf(&b, "\nThis machine is node %s of network %s.\n", escapeLine(s.name), escapeLine(s.network))
	fmt.Fprintf(&b, "run the node: fernmesh serve%s\n", escapeLine(config))
	fmt.Fprintf(&b, "let others in: fernmesh invite%s, and paste its line into \"fernmesh join\" there\n", escapeLine(config))
	_, err := m.out.Write([]byte(b.String()))
	return err
}

// noteOverrides tells of variables that count more than a config file that
// was just made.
func (m *Main) noteOverrides() {
	for _, name := range []string{keyVariable, optionKeyFile.env, optionNetwork.env, optionRelay.env, optionStateDir.env} {
		if m.Getenv(name) != "" {
			m.notef("%s is set and counts more than the new config file", name)
		}
	}
}
