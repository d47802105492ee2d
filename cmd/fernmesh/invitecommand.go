package main

import (
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
)

func (m *Main) inviteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invite [flags]",
		Short: "Print the line with which others join the network",
		Long: `Invite prints one line that holds the network's name, its active key and the
relays. Whoever has the line is a member, so hand it over as you would a
password. On the other machine "fernmesh join" reads it:

    fernmesh invite | ssh attic fernmesh join --yes`,
		Args: between(0, 0),
	}
	flags := addFlags(cmd, []*option{optionConfig, optionNetwork, optionKeyFile, optionRelay, optionOutput})
	cmd.RunE = func(*cobra.Command, []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		return m.invite(&s)
	}
	return cmd
}

func (m *Main) invite(s *settings) error {
	ring, err := s.keys()
	if err != nil {
		return err
	}
	if err := wire.CheckName("network", s.network); err != nil {
		return s.fieldFault(optionNetwork, "choose a network name such as \"home\"", err.Error())
	}
	in := invite{key: ring.Active(), network: s.network}
	for _, text := range s.relays {
		a, err := relay.ParseAddress(text) // checked when it was read
		if err != nil {
			return err
		}
		in.relays = append(in.relays, a)
	}
	m.notef("this line contains the network's key: whoever has it can join; hand it over as you would a password")
	if s.json {
		return m.printJSON(map[string]any{"invite": in.line(), "network": in.network, "key_id": keyID(in.key, in.network), "relays": in.addresses()})
	}
	_, err = fmt.Fprintln(m.out, in.line())
	return err
}

// keyID is how a key is shown to people.
func keyID(k crypto.Key, network string) string {
	id := crypto.Derive(k, network).KeyID()
	return hex.EncodeToString(id[:])
}

// addresses are the relays as texts, for JSON.
func (in invite) addresses() []any {
	list := []any{}
	for _, r := range in.relays {
		list = append(list, r.String())
	}
	return list
}
