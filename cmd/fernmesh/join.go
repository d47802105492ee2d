package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/relay"
)

func (m *Main) joinCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join [flags]",
		Short: "Join a network by the line that \"fernmesh invite\" printed",
		Long: `Join reads one line of "fernmesh invite" from standard input, on a terminal
without showing it, tells what it will trust, and, once that is confirmed, makes
a config file, a key file and this node's identity, all in the user's config
directory or beside the file of --config. It overwrites nothing.

    fernmesh join
    fernmesh join --yes < invite.txt

The line holds the network's key, so it is never taken from the command line,
which everybody on the machine can read.`,
		Args: noInviteArguments,
	}
	flags := addFlags(cmd, []*option{optionConfig, optionName, optionOutput})
	yes := cmd.Flags().Bool("yes", false, "do not ask for confirmation")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return m.join(cmd.Context(), flags, *yes) }
	return cmd
}

const inviteHint = `copy the whole line that "fernmesh invite" printed, or ask for a new one`

// noInviteArguments refuses arguments, and says of an invite why.
func noInviteArguments(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		if looksLikeKey(a) || strings.HasPrefix(strings.TrimSpace(a), invitePrefix) {
			return faultf(exitConfig, "everybody on this machine can read command lines, so have the network's key replaced; then run \"fernmesh join\" and paste the new line when it asks",
				"an invite is never given on the command line")
		}
	}
	return between(0, 0)(cmd, args)
}

func (m *Main) join(ctx context.Context, flags []*recorder, yes bool) error {
	s, err := m.settingsWithoutFile(flags)
	if err != nil {
		return err
	}
	place, err := m.newSetup(flags, "join")
	if err != nil {
		return err
	}
	screen, asks := m.terminal()
	line, err := m.readInvite(ctx, screen, asks)
	if err != nil {
		return err
	}
	if place.invite, err = parseInvite(line); err != nil {
		return faultf(exitConfig, inviteHint, "this is no invite: %v", err)
	}
	if place.name = s.name; place.name == "" {
		place.name = machineName()
	}
	if err := place.check(); err != nil {
		return err
	}
	m.showTrust(place)
	if !yes {
		if err := m.confirm(ctx, screen, asks); err != nil {
			return err
		}
	}
	if err := place.write(); err != nil {
		return err
	}
	return m.printSetup(place, s.json)
}

// readInvite reads the line, from a terminal or all that standard input has.
func (m *Main) readInvite(ctx context.Context, screen *prompter, asks bool) (string, error) {
	if asks {
		line, err := screen.askSecret(ctx, `paste the line of "fernmesh invite" (it is not shown):`)
		return line, inputFault(err)
	}
	text, err := io.ReadAll(io.LimitReader(m.Stdin, maxInvite+1))
	switch {
	case err != nil:
		return "", inputFault(err)
	case strings.TrimSpace(string(text)) == "":
		return "", faultf(exitUsage, `pipe the line in: fernmesh join --yes < FILE`, "standard input holds no invite")
	}
	return string(text), nil
}

func inputFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, io.EOF):
		return &fault{code: exitFailure, text: "interrupted", hint: "nothing was changed", cause: err}
	}
	return faultf(exitFailure, "pipe the line in: fernmesh join --yes < FILE", "cannot read standard input: %v", err)
}

// showTrust says what joining means.
func (m *Main) showTrust(s *setup) {
	m.notef("network    %s, key id %s", escapeLine(s.network), keyID(s.key, s.network))
	if len(s.relays) == 0 {
		m.notef("relays     none: nodes meet on the local network alone")
	}
	for _, r := range s.relays {
		m.notef("relay      %s, %s", escapeLine(relay.Address{Authority: r.Authority, TLS: r.TLS}.String()), pinText(r))
	}
	m.notef("this node  %s", escapeLine(s.name))
	m.notef("files      %s, %s", escapeLine(s.configFile), escapeLine(s.keyFile()))
}

func pinText(r relay.Address) string {
	switch {
	case r.Pinned:
		return "pinned to " + r.Pin.String()
	case r.TLS:
		return "not pinned: known by its certificate"
	}
	return "not pinned: whoever answers there is taken for it"
}

// confirm returns nil if the user agrees.
func (m *Main) confirm(ctx context.Context, screen *prompter, asks bool) error {
	if !asks {
		return faultf(exitUsage, "read what is above, and say --yes if it is right", "standard input is no terminal, so nobody can confirm; nothing was changed")
	}
	answer, err := screen.ask(ctx, "join? [y/N]")
	if err != nil {
		return inputFault(err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return faultf(exitFailure, "nothing was changed", "not joined")
}
