package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `Fernmesh calls the commands of nodes that share one network key, and serves
such a node. Nodes find each other on the local network, and through relays
("fernmesh-relay") from anywhere else.

    fernmesh init --name kitchen       on the first machine
    fernmesh serve
    fernmesh invite                    prints a line for the others
    fernmesh join                      on another machine, with that line
    fernmesh call kitchen time.now

Without config files:

    fernmesh keygen --out home.key
    fernmesh serve --key-file home.key --name kitchen
    fernmesh call --key-file home.key kitchen time.now

"fernmesh demo" shows all of it on this machine alone, in a few seconds.`

// rootCommand makes the tree of subcommands. Each run makes its own, so that no
// flag of one run is seen by another.
func (m *Main) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "fernmesh",
		Short:         "Call and serve commands on an encrypted peer-to-peer mesh",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          m.noCommand,
	}
	root.SetIn(m.Stdin)
	root.SetOut(rawWriter{m.out}) // help and completion scripts are our own text, tabs included
	root.SetErr(m.err)
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetUsageFunc(usageOf(root.UsageFunc()))
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		m.initCommand(), m.inviteCommand(), m.joinCommand(), m.keygenCommand(), m.keysCommand(), m.trustCommand(),
		m.serveCommand(), m.exposeCommand(), m.forwardCommand(),
		m.callCommand(), m.publishCommand(), m.subscribeCommand(),
		m.peersCommand(), m.treeCommand(), m.describeCommand(), m.pingCommand(), m.statusCommand(), m.statsCommand(), m.healthCommand(), m.watchCommand(),
		m.policyCommand(), m.relayRoomCommand(),
		m.demoCommand(), m.demoRelayCommand(), m.versionCommand(), m.completionCommand(),
		configTopic(), programsTopic(), outputTopic(), exitCodesTopic(),
	)
	return root
}

// usageOf leaves the usage line without a command out: the root runs only to say
// that it was given none. It is no template, since the packages that run those
// make the linker keep every exported method there is: 2.7 MB.
func usageOf(usage func(*cobra.Command) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		if !cmd.HasParent() {
			run := cmd.RunE
			cmd.RunE = nil
			defer func() { cmd.RunE = run }()
		}
		return usage(cmd)
	}
}

// noCommand is what runs when the first word is no subcommand.
func (m *Main) noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return faultf(exitUsage, `"fernmesh help" lists the commands; "fernmesh demo" shows what they do`, "no command was given")
	}
	hint := `"fernmesh help" lists the commands`
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %q? %s", near[0], hint)
	}
	return faultf(exitUsage, hint, "there is no command %q", shorten(args[0]))
}

// helpCommand is "fernmesh help WORD…". Cobra's own takes an unknown topic for a success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Help about a command or a topic",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return faultf(exitUsage, `"fernmesh help" lists the commands and topics`, "there is no help about %q", shorten(strings.Join(args, " ")))
			}
			about.InitDefaultHelpFlag() // so that --help is listed here too
			return about.Help()
		},
	}
}

// between checks the number of arguments; most < 0 means any number.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := fmt.Sprintf("usage: %s", cmd.UseLine())
		switch {
		case len(args) < least:
			return faultf(exitUsage, hint, "%s: an argument is missing", cmd.Name())
		case most >= 0 && len(args) > most:
			return faultf(exitUsage, hint, "%s: there are too many arguments", cmd.Name())
		}
		return nil
	}
}
