package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const rootLong = `Fernmesh-relay is a server by which fernmesh nodes that share no local network
reach each other. It has no key and can read nothing of what they say.

    fernmesh-relay serve

prints the line to give to the nodes.`

// rootCommand makes the tree of subcommands, anew for each run.
func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "fernmesh-relay",
		Short:         "Relay for fernmesh nodes",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return faultf(exitUsage, `"fernmesh-relay serve" runs the relay; "fernmesh-relay help" says more`, "no command was given")
			}
			return faultf(exitUsage, `"fernmesh-relay help" lists the commands`, "there is no command %q", args[0])
		},
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return faultf(exitUsage, fmt.Sprintf("see %q", cmd.CommandPath()+" --help"), "%v", err)
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(p.serveCommand(), p.versionCommand(), configTopic())
	return root
}

// noArguments refuses words that are no flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return faultf(exitUsage, "usage: "+cmd.UseLine(), "%s takes no argument, and got %q", cmd.Name(), args[0])
	}
	return nil
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.stdout, "fernmesh-relay %s, protocol fm1, %s, %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return faultf(exitFailure, "", "cannot print the version: %v", err)
			}
			return nil
		},
	}
}

// buildVersion is what the build knows of its source.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
