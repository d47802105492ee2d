// Command fernmesh-relay is a relay: a server by which fernmesh nodes that share
// no local network reach each other. It holds no key of theirs and can read
// nothing of what they say.
//
// # Start here
//
//	fernmesh-relay serve
//
// prints one line, the relay's address with its id behind "#". Nodes that are
// given this line connect to this relay and to no other that may pretend to be
// it. "fernmesh-relay help serve" lists the settings, "fernmesh-relay help
// config" shows them in a file.
//
// In the code, main.go runs a command line, settings.go has the table of all
// settings with their flags, variables and keys in the file, and serve.go puts
// a package relayserver's server together from them. The exit codes are in
// fault.go.
package main
