// Package relays compares ways to carry messages between two processes over a
// third one.
//
// Every contestant has three processes: the relay, a sink that joins it and
// waits, and a source that joins it, sends to the sink and measures. What they
// say to each other is the same for all (messages.go, sink.go, source.go); a
// contestant only brings a [kind]: how to run a relay, and how to join it.
//
//	stream.go   as many messages as go through, with a bounded number in flight
//	trip.go     one message there and back at a time
//	flood.go    as many messages as can be written, and how many arrive
//	crowd.go    members that only are there, and what they cost the relay
//	calls.go    calls between fernmesh nodes, over a relay and directly
//
// The relay's processor time and memory are those of its process as the system
// counts them (usage_linux.go), so that any program can be a contestant.
package relays
