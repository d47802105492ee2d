// Package node is the public face of fernmesh: a node of an encrypted
// peer-to-peer RPC mesh.
//
// # Start here
//
// [New] makes a node from a [Config], [Node.Start] brings it up and
// [Node.Shutdown] ends it. Commands that others may call are registered in
// [Node.Commands]; commands of others are called with [Node.Call] (one node),
// [Node.Gather] (a list or everyone), [Invoke] (typed), and [Node.Stream] or
// [InvokeStream] where values go one by one while the command runs.
//
//	key := crypto.GenerateKey()
//	n, err := node.New(node.Config{Name: "kitchen", Network: "home", Keys: crypto.Ring(key)})
//	...
//	err = n.Start(ctx)
//	defer n.Shutdown(context.Background())
//	reply, err := n.Call(ctx, "attic", "lights.set", node.Args("red"))
//
// # Streams of bytes
//
// [Node.Listen] and [Node.Dial] are a [net.Listener] and a [net.Conn] between two
// nodes, for what speaks a protocol of its own, such as HTTP or SSH.
//
// # Who is who
//
// A node is one running instance with a random instance id and an Ed25519
// identity; its name is a claim that the network settles (see the protocol,
// section 9). An observer claims no name, offers nothing and is in no roster:
// command-line callers are observers.
//
// # Which path a call takes
//
// The LAN comes first. With [Config.Relays] a node also joins its network's
// room at each of those relays, which hold no key and read nothing; a call goes
// through one when the LAN has no way, or falls silent in the middle of it. The
// call keeps its id over all paths, so that the callee runs it once.
//
// # What stands around a call
//
// [Config.CallInterceptors] stand around the calls that a node makes,
// [Config.ServeInterceptors] around the commands that it runs. The deadline of a
// call and its trace ([commands.WithTrace], [commands.TraceOf]) are in the
// context of its handler, so a handler that calls another node with this context
// passes both on. The module github.com/fernmesh/fernmesh/otel makes
// OpenTelemetry spans of that.
//
// # Who may call what
//
// Everybody inside the network may call everything, unless [Config.PolicyFile]
// names a file of rules (package policy). [DryRun] asks whether a call would run.
//
// # What every error says
//
// Errors of calls are [*commands.Error] values: a code, whether the command
// ran (no, maybe, yes), where it failed, and a hint with the next step.
// [ErrNameTaken], [UnknownNameError], [AmbiguousNameError] and [NoPathError]
// are found with errors.Is and errors.As inside them.
package node
