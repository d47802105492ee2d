// Package startup compares what one call from a shell takes, from the start of
// a program to its end: fernmesh call, nats request and grpcurl, each of which
// asks a server that runs already on the same machine. It also tells how soon
// fernmesh-relay answers, and how large the programs are.
//
// The servers are processes of their own (servers.go, fernmesh.go). The last one
// (shell.go) starts the programs one after another, in a new random order each
// time, so that what disturbs the machine disturbs all.
package startup
