// Package policy decides who may call what on a node, and how often. There is
// no networking in it.
//
// # Start here
//
// [Load] reads a file of rules, [Parse] the text of one. A node takes the
// result (node.Config.PolicyFile or Policy) and asks a [Guard] of its own about
// every call. To see what a policy would decide without a node, ask
// [Policy.Decide] or, with the rules that were passed over, [Policy.Explain].
//
// # The file
//
// One statement per line; a # before a word begins a comment.
//
//	group ops = key:node:5hw… name:attic
//
//	lamps:  allow group:ops observers on lights.** rate=5/s burst=10
//	        allow name:"living room"  on door.open concurrency=1
//	        deny  *                   on door.** __dial__.**
//	        grant admin to group:ops
//	default allow
//
// A rule says allow or deny, callers, "on" and paths. The first rule that fits
// both caller and path decides, the default if none does. "default allow" or
// "default deny" is the last line; without it the default is allow, since
// everybody who can call holds the key of the network. A word and a colon in
// front of a rule name it; a rule without name is called by its line.
//
// Callers are:
//
//   - everybody
//     key:node:…      the holder of that identity key, which was proved
//     name:NAME       whoever claims that name and is no observer
//     observers       callers that claim no name, such as the command line
//     group:NAME      those of a group that was defined further up
//
// A name is a claim, and so is being an observer: everybody who holds the
// network's key can make it. Only key: is sure. [Policy.Warnings] says where it
// matters.
//
// Paths are those of commands. A segment * stands for any one segment, ** at
// the end for one or more: lights.* fits lights.set, lights.** also
// lights.kitchen.set, and ** every path there is. That includes what lies under
// reserved roots: the built-in commands (__info__, __list_commands__, …), byte
// streams, which are the paths __dial__.SERVICE, and topics (__subscribe__). So
// what a policy denies it denies whole; "default deny" leaves of the built-ins
// what rules allow. Finding nodes, links and pings are no calls and not touched.
//
// Quotes enclose names and segments with spaces or stars in them, and take \"
// and \\: name:"living room", shelf."*".take.
//
// An allow rule may limit each of its callers: rate=5/s (or /m, /h) with
// burst=10 at once, which is 1 or the calls of one second if left out, and
// concurrency=2 calls running at the same time. A caller is its proved key,
// else its name.
//
// "grant RIGHT… to CALLERS" gives rights that commands ask for
// (commands.Requires). All grants count, wherever they stand. A command that
// requires a right needs it besides a rule, or default, that allows the call.
package policy
