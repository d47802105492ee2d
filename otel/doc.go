// Package fernotel makes OpenTelemetry spans and metrics of the calls between
// fernmesh nodes. It is a module of its own, so that fernmesh itself depends on
// no OpenTelemetry package.
//
// # Start here
//
// [Instrument] a configuration before it becomes a node:
//
//	cfg := node.Config{Name: "kitchen", Network: "home", Keys: keys}
//	fernotel.Instrument(&cfg)
//	n, err := node.New(cfg)
//
// Every call that the node makes is a client span then, and every command that
// it runs a server span. Both ends of a call belong to one trace, over the LAN
// and over relays: the place in the trace travels with the call as W3C Trace
// Context, and a handler that calls another node with its own context carries
// the trace on. That also works towards nodes without this package, which pass
// the trace on untouched.
//
// # Spans
//
// A span has the path of the command as its name and the attributes of the
// semantic conventions for RPC: rpc.system.name is "fernmesh", rpc.method the
// path of the command, rpc.response.status_code and error.type the name of the
// code ("NOT_FOUND"), server.address the name of the node that is called, and
// client.address, on the server, the name of the caller. More attributes:
//
//   - fernmesh.path: "lan", "relay" or "self"; on the client after an answer
//   - fernmesh.executed: "no", "maybe" or "yes", after an error
//   - fernmesh.where: the station at which the call failed, after an error
//   - fernmesh.stream: true for a stream, whose span lasts until its end
//
// A client span with an error has the status Error; a server span only when the
// error is the server's (UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
// UNAVAILABLE, DATA_LOSS). Retries and changes of path are inside of the
// client's span. Calls that are refused before a command is found make no
// server span. Arguments and values are never recorded; the message of an
// error is, as the description of the status.
//
// # Metrics
//
// The histograms rpc.client.call.duration and rpc.server.call.duration, in
// seconds, with rpc.system.name, rpc.method, rpc.response.status_code,
// error.type and, on the client, server.address.
package fernotel
