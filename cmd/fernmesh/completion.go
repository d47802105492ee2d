package main

import (
	"github.com/spf13/cobra"
)

func (m *Main) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes commands, nodes and their paths in a shell",
		Long: `Completion prints a script for bash, zsh, fish or powershell. It completes
subcommands and flags, and, by asking the network for at most a second, names
of nodes and paths of their commands.

    source <(fernmesh completion bash)
    fernmesh completion zsh > "${fpath[1]}/_fernmesh"
    fernmesh completion fish > ~/.config/fish/completions/fernmesh.fish
    fernmesh completion powershell | Out-String | Invoke-Expression`,
		Args:      between(1, 1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return faultf(exitUsage, "the shells are bash, zsh, fish and powershell", "there is no script for %q", shorten(args[0]))
		},
	}
}
