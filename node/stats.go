package node

import (
	"sync/atomic"

	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// counters are the node's own tallies; Stats is their snapshot.
type counters struct {
	RefusedSource, RefusedLinks, CutHalfOpen       atomic.Uint64
	LinksAccepted, LinksDialed, DialsFailed        atomic.Uint64
	Calls, CallsFailed, Retries, SecondPaths       atomic.Uint64
	NameConflicts, Renames, RosterFull, EventsLost atomic.Uint64
	PublicationsDropped, SubscriptionsRefused      atomic.Uint64
	CommandsUnlisted, DescriptionsCut              atomic.Uint64
	PresenceRefused, TracesIgnored                 atomic.Uint64
	PolicyReloads, PolicyReloadsFailed             atomic.Uint64
	Renewals                                       atomic.Uint64
	IdentitiesRefused, StateTroubles               atomic.Uint64
	KnownPeersFull                                 atomic.Uint64
	Dials, BacklogFull, PeersForgotten             atomic.Uint64
	PathSwitches, Resumes, AddressChanges          atomic.Uint64
	IllegalMoves                                   atomic.Uint64
}

// Stats counts what happened since the node was made. Counters only grow;
// HalfOpen, LinksOpen, Running and Waiting are of this moment.
type Stats struct {
	// HalfOpen is how many connections are in their handshake now.
	HalfOpen int
	// RefusedSource counts connections refused because their source had too
	// many failed handshakes, CutHalfOpen those cut in their handshake to make
	// room, RefusedLinks those beyond Limits.Links.
	RefusedSource, CutHalfOpen, RefusedLinks uint64
	// LinksAccepted and LinksDialed count links that came up, DialsFailed
	// attempts that did not.
	LinksAccepted, LinksDialed, DialsFailed uint64
	// LinksOpen is how many links are open now, those that drain included.
	// Renewals counts sessions that this node replaced by one with a fresh key
	// exchange, KeyUpdates how often a direction of a link went on to its next key.
	LinksOpen            int
	Renewals, KeyUpdates uint64
	// BulkFramesIn and BulkFramesOut count frames that came and went sealed with
	// AES-256-GCM, on links whose both ends have Config.BulkCipher.
	BulkFramesIn, BulkFramesOut uint64
	// Calls counts calls made from here, CallsFailed those that ended with an
	// error, Retries those sent again after a broken path, SecondPaths those
	// sent over a second path because the first went silent.
	Calls, CallsFailed, Retries, SecondPaths uint64
	// Requests counts calls received from other nodes, repeats and refused ones
	// included; Results the answers sent to them, by class. A call that its caller
	// gave up, or whose link broke, is not answered. UnknownAnswers counts answers
	// received for no call: it had ended here, or never was.
	Requests       uint64
	Results        Results
	UnknownAnswers uint64
	// PeersForgotten counts peers whose counters were dropped to make room for
	// those of others, beyond Limits.Roster.
	PeersForgotten uint64
	// Running and Waiting are the calls of other nodes that run, and those that
	// wait for their turn, now; ArgumentBytes is the size of their arguments.
	Running, Waiting int
	ArgumentBytes    int64
	// Served counts calls of other nodes that were run, Queued those that had to
	// wait, Expired those whose time was over, or that were cancelled, while they
	// waited, so that they did not run.
	Served, Queued, Expired uint64
	// Inlined counts those of Served that ran on the reader of their link, see
	// [commands.Inline]; Demoted how often a command was too slow for that, beyond
	// Limits.InlineBudget.
	Inlined, Demoted uint64
	// Overloaded counts calls refused with RESOURCE_EXHAUSTED. Those beyond
	// Limits.HandlersPerPeer and QueuePerPeer are also in PeerFull, beyond
	// HandlersPerNode and QueuePerNode in NodeFull, beyond ArgumentBytesPerPeer
	// in PeerHeavy and beyond ArgumentBytesPerNode in NodeHeavy. Slowed counts
	// how often a link was not read for a moment because its calls were refused,
	// Paced because it called so fast that the calls of others had to wait.
	Overloaded, PeerFull, NodeFull, PeerHeavy, NodeHeavy, Slowed, Paced uint64
	// PathSwitches counts how often the calls to a peer went from one path to
	// another.
	PathSwitches uint64
	// Resumes counts how often the machine had slept, AddressChanges how often it
	// had lost or got addresses.
	Resumes, AddressChanges uint64
	// NameConflicts counts other claims to this node's name, Renames how
	// often this node gave way.
	NameConflicts, Renames uint64
	// RosterFull counts members not remembered, EventsLost events dropped for
	// slow readers.
	RosterFull, EventsLost uint64
	// PresenceRefused counts presence tokens from relays that did not open or
	// named another address.
	PresenceRefused uint64
	// TracesIgnored counts calls that came with a malformed trace and ran
	// without one.
	TracesIgnored uint64
	// Dials counts connections dialled from here, refused ones included;
	// BacklogFull those refused here because Limits.Backlog of them waited.
	Dials, BacklogFull uint64
	// StreamItemsRefused counts streamed values that came while the memory of
	// Limits.StreamBytes was in use, for handlers and for callers.
	StreamItemsRefused uint64
	// PublicationsDropped counts published values lost because a subscriber's
	// queue was full, here or on their way to a subscriber here;
	// SubscriptionsRefused those beyond Limits.Subscriptions.
	PublicationsDropped, SubscriptionsRefused uint64
	// CommandsUnlisted counts calls of commands beyond Limits.CommandStats,
	// DescriptionsCut answers of __describe__ cut at Limits.Descriptions or DescriptionBytes.
	CommandsUnlisted, DescriptionsCut uint64
	// PolicyDenied counts calls that the policy denied, PolicyLimited those
	// beyond the rate or concurrency of a rule, PolicyForgotten callers of which
	// the gate forgot what they had used up, to make room for others.
	PolicyDenied, PolicyLimited, PolicyForgotten uint64
	// PolicyReloads counts texts of the policy file that came into force after
	// the start, PolicyReloadsFailed those that could not.
	PolicyReloads, PolicyReloadsFailed uint64
	// IdentitiesRefused counts links refused because of the peer's identity key,
	// by Config.Trust, Allow, Deny or RequireIdentity; those of names beyond
	// Limits.KnownPeers are also in KnownPeersFull.
	IdentitiesRefused, KnownPeersFull uint64
	// StateTroubles counts how often a file of the state directory could not be
	// used or written.
	StateTroubles uint64
	// IllegalMoves counts moves between states of a link that may not be, and
	// were not done: faults of this program.
	IllegalMoves uint64
	// Handshakes counts refused handshakes by cause.
	Handshakes map[string]uint64
	// Discovery counts what discovery heard and refused.
	Discovery discovery.Stats
}

func (s *Stats) addServed(r rpc.Stats) {
	s.Running, s.Waiting, s.ArgumentBytes = r.Running, r.Waiting, r.ArgumentBytes
	s.Requests, s.Results, s.UnknownAnswers = r.Requests, resultsOf(r), r.Strays
	s.Served, s.Queued, s.Expired = r.Started, r.Queued, r.Expired
	s.Inlined, s.Demoted = r.Inlined, r.Demoted
	s.Overloaded, s.Slowed, s.Paced = r.Overloaded, r.Slowed, r.Paced
	s.PeerFull, s.NodeFull, s.PeerHeavy, s.NodeHeavy = r.PeerFull, r.NodeFull, r.PeerHeavy, r.NodeHeavy
}
