package main

import "github.com/spf13/cobra"

const programsText = `The config file may have commands that run programs of this machine. Each has a
section of its own below the settings; whoever has the network's key may call it.

    [commands.backup.run]
    run        = ["/usr/local/bin/backup", "--level={level}", "--", "{target}"]
    about      = "Backs a directory up."
    stdin      = false       # true: the arguments come as JSON on standard input
    output     = "text"      # or json, or bytes
    timeout    = "30s"
    max_output = 1048576     # bytes
    at_once    = 8           # runs at a time
    dir        = "."         # to run in, as seen from this file
    env        = ["LEVEL=low", "SSH_AUTH_SOCK"]
    idempotent = false       # true: running it twice does no harm

run alone is needed; what the others are without being written is shown above,
but for about and env, which are empty. A program with a "/" in its name is
looked for from this file on, another in PATH, once, when the node starts.

    fernmesh call kitchen backup.run level=2 target=/home
    fernmesh call kitchen backup.run 2 /home

{name} stands for an argument of the call: a text, a number or a boolean. Each
element of run stays one argument of the program whatever is in it. No shell
ever reads it, and a placeholder in a shell's script is refused. A text that
begins with "-" is refused where a placeholder begins an element, unless "--"
stands before. Every placeholder is needed; positional arguments fill them in
order; {{ and }} stand for braces.

With stdin = true the program reads {"args": [...], "kwargs": {...}}, and the
call may have arguments besides the placeholders'. With output = "json" what it
prints must be one JSON value; as text it must be UTF-8, and one newline at its
end is left out.

The program runs with PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR (on Windows
also what the system needs), as far as they are set, what env adds (NAME=VALUE,
or a NAME to take over), FERNMESH_COMMAND, FERNMESH_CALL_ID and, of the caller,
FERNMESH_CALLER (its name, if it has one) and FERNMESH_CALLER_KEY.

It ends with its whole process group, by force, when its time is up, when it
prints too much, or when its caller gives up; on Windows it ends alone. A caller
of a program that fails gets UNKNOWN, with "exit_status" and the last 4 KiB of
standard error as "stderr" in the details.
`

// programsTopic is "fernmesh help programs".
func programsTopic() *cobra.Command {
	return &cobra.Command{Use: "programs", Short: "Commands that run programs of this machine", Long: programsText}
}
