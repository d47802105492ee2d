// Fernmesh calls the commands of an encrypted peer-to-peer RPC mesh from the
// command line, and serves a node with a few commands to try.
//
//	fernmesh keygen --out home.key
//	fernmesh serve --key-file home.key --name kitchen
//	fernmesh call --key-file home.key kitchen time.now
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
//     file; config.go reads that file, key.go the network's keys
//   - arguments.go and jsonin.go: what a person types, made into values
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
