package main

import "github.com/spf13/cobra"

// The exit codes. A failure that a callee sent is exitRemote plus the number of
// its code.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 4
	exitDeadline    = 5
	exitRefused     = 6
	exitRemote      = 64
)

const exitCodesText = `Exit codes of fernmesh:

    0  it worked; of a call to several nodes: each of them answered with a value
    1  it failed in another way; of a call to several nodes: at least one failed
    2  the command line is wrong; nothing was done
    3  the configuration or a key is wrong; nothing was done
    4  no path to the node, or not one node of that name was found in time; the
       command did not run
    5  the time ran out after the call was sent; the command may have run
    6  the other side said goodbye or refused this program, or the name is taken
   64  plus the number of the code, when the other node answered with a failure:

   65  CANCELLED             66  UNKNOWN             67  INVALID_ARGUMENT
   68  DEADLINE_EXCEEDED     69  NOT_FOUND           70  ALREADY_EXISTS
   71  PERMISSION_DENIED     72  RESOURCE_EXHAUSTED  73  FAILED_PRECONDITION
   74  ABORTED               75  OUT_OF_RANGE        76  UNIMPLEMENTED
   77  INTERNAL              78  UNAVAILABLE         79  DATA_LOSS
   80  UNAUTHENTICATED

A failure line ends by saying whether the command ran.
`

// exitCodesTopic is "fernmesh help exit-codes": a command without a run
// function is a help topic to cobra.
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long:  exitCodesText,
	}
}
