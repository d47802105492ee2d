// Fernmesh calls the commands of an encrypted peer-to-peer RPC mesh from the
// command line, and serves a node with commands to try and with those that run
// programs of the machine.
//
//	fernmesh init                      fernmesh join
//	fernmesh serve                     fernmesh call kitchen time.now
//	fernmesh invite
//
// # Start here
//
// main.go has [Main], which runs one command line and returns its exit code.
// Each subcommand has a file of its own, named after it; each is thin: it reads
// flags, makes calls of package node that any Go program could make, and prints.
//
// What the subcommands share:
//
//   - settings.go: every setting with its flag, variable and key in the config
//     file; config.go and configparse.go read that file, key.go the network's keys
//   - setup.go and invite.go: what init and join write, and the line that invite
//     prints
//   - program.go, template.go and programrun.go: commands that run programs
//   - arguments.go and jsonin.go: what a person types, made into values
//   - asking.go and signature.go: one question to several nodes, and types of
//     arguments in short
//   - attend.go, control*.go and reload.go: what the owner of a running node gets
//     at, by its control socket and by SIGHUP
//   - ports.go and splice.go: what expose and forward do with connections
//   - jsonout.go, table.go and escape.go: values made safe to show
//   - fault.go, exit.go and output.go: errors with a hint, exit codes, and the
//     form of --output json
//
// # What is printed where
//
// Standard output carries the answer and nothing else. Everything else goes to
// standard error with a "fernmesh:" prefix. Whatever came from another node is
// escaped, unless --raw is given.
package main
