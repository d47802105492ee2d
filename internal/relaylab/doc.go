// Package relaylab holds the tests of relays with the real programs in network
// namespaces: NAT boxes, a relay that is killed, strangers at its port, and what
// a relay and a listener on the wire can learn. It has no code of its own.
//
// # Start here
//
// The tests build fernmesh and fernmesh-relay and run them on the hosts of a
// netlab.Lab: see site in site_test.go. Where no lab can be made they are
// skipped, and print why.
package relaylab
