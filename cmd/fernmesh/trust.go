package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

const trustText = `Every holder of the network's key can claim any name. --trust (FERNMESH_TRUST,
or the key trust of the config file) says what a node, or a program that calls,
makes of the identity key behind a name:

    network   nothing: a member can stand between two others unnoticed. The default
    tofu      the first key that is seen for a name is remembered in the file
              known-peers of the state directory; every other is refused from then on
    pinned    only names in that file are welcome, with the key that stands there

Callers of this user share one file, each node has its own. Observers, such as
callers, have no name: in pinned mode --allow KEY lets one in. --deny KEY turns
one away in every mode.

    fernmesh trust list
    fernmesh trust forget kitchen        # it was set up anew; the next key counts
    fernmesh trust pin kitchen node:5hw…

These three read and write the files of this user's callers and, if it has been
run here, of the node of --name (default: of the settings, or of this machine).
A node that runs sees the change at its next link.`

// trustCommand is "fernmesh trust", the parent of its subcommands, and the topic
// of "fernmesh help trust".
func (m *Main) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "See and change which identity keys stand for names",
		Long:  trustText,
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			return faultf(exitUsage, `it is "fernmesh trust list", "forget" or "pin"`, "trust: a subcommand is missing")
		},
	}
	cmd.AddCommand(
		m.trusting("list [flags]", "List the names that are known, with their keys", 0, m.trustList),
		m.trusting("forget [flags] NAME", "Forget the key of a name, so that the next one is the first again", 1, m.trustForget),
		m.trusting("pin [flags] NAME KEY", "Write down that a name stands for that key and no other", 2, m.trustPin),
	)
	return cmd
}

// trusting makes a subcommand of "trust" of args arguments.
func (m *Main) trusting(use, short string, args int, run func(s *settings, holders []holder, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: between(args, args)}
	flags := addFlags(cmd, []*option{optionConfig, optionNetwork, optionName, optionStateDir, optionOutput})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		if s.stateDir == "" {
			return faultf(exitConfig, "name one with --state-dir DIR", "this user has no state directory")
		}
		return run(&s, s.holders(), args)
	}
	return cmd
}

// holder is who knows peers: "callers", or a node by its name.
type holder struct {
	who string
	*node.KnownPeers
}

// holders are the callers of this user, and the node that was named or has state here.
func (s *settings) holders() []holder {
	list := []holder{{"callers", node.OpenKnownPeers(s.stateDir, s.network, "")}}
	name := s.name
	if name == "" {
		name = machineName()
	}
	own := node.OpenKnownPeers(s.stateDir, s.network, name)
	if _, err := os.Stat(filepath.Dir(own.File())); err == nil || s.origins[optionName.flag] == "--name" {
		list = append(list, holder{name, own})
	}
	return list
}

func (m *Main) trustList(s *settings, holders []holder, _ []string) error {
	rows := []any{}
	t := newTable(m.out, "NAME", "KEY", "SINCE", "OF")
	for _, h := range holders {
		peers, err := h.List()
		if err != nil {
			m.notef("%v", err)
		}
		for _, p := range peers {
			since := "pinned"
			row := map[string]any{"name": p.Name, "key": p.Key.String(), "pinned": p.Pinned, "of": h.who, "file": h.File()}
			if !p.Pinned {
				since = p.First.Local().Format(time.DateTime)
				row["first"] = p.First.UTC().Format(time.RFC3339)
			}
			rows = append(rows, row)
			if !s.json {
				t.row(p.Name, p.Key.String(), since, h.who)
			}
		}
	}
	if s.json {
		return m.printJSON(rows)
	}
	if len(rows) == 0 {
		m.notef("no name is bound to a key in network %q", s.network)
		return nil
	}
	m.noteNetwork(s)
	return t.end()
}

// noteNetwork says that the settings make nothing of what is known.
func (m *Main) noteNetwork(s *settings) {
	if s.trust == node.TrustNetwork {
		m.notef("only nodes and callers with --trust tofu or pinned look at this")
	}
}

func (m *Main) trustForget(s *settings, holders []holder, args []string) error {
	var files []any
	for _, h := range holders {
		known, err := h.Forget(args[0])
		if err != nil {
			return trustFault(err)
		}
		if !known {
			continue
		}
		files = append(files, h.File())
		if err := m.trustLine(s, "forgot %s, of %s\n", args[0], h.who); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return faultf(exitFailure, `"fernmesh trust list" shows the names; --name N looks at those that node N knows`, "no key is known for %q", shorten(args[0]))
	}
	return m.trustChanged(s, args[0], files)
}

func (m *Main) trustPin(s *settings, holders []holder, args []string) error {
	key, err := crypto.ParseNodeKey(args[1])
	if err != nil {
		return faultf(exitUsage, `"fernmesh peers" shows the keys of nodes, and a node prints its own with "serve --output json"`, "KEY is no identity key, \"node:…\"")
	}
	var files []any
	for _, h := range holders {
		if err := h.Pin(args[0], key); err != nil {
			return trustFault(err)
		}
		files = append(files, h.File())
		if err := m.trustLine(s, "pinned %s for %s\n", args[0], h.who); err != nil {
			return err
		}
	}
	return m.trustChanged(s, args[0], files)
}

// trustLine says what was done with a name in one file, to people.
func (m *Main) trustLine(s *settings, format, name, who string) error {
	if s.json {
		return nil
	}
	_, err := fmt.Fprintf(m.out, format, escapeLine(name), escapeLine(who))
	return err
}

func (m *Main) trustChanged(s *settings, name string, files []any) error {
	if s.json {
		return m.printJSON(map[string]any{"name": name, "files": files})
	}
	m.noteNetwork(s)
	return nil
}

func trustFault(err error) error {
	return faultf(exitFailure, "see that the name is that of a node and that you may write to the state directory", "%v", err)
}
