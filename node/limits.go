package node

import (
	"runtime"
	"time"

	"github.com/fernmesh/fernmesh/policy"
)

// Limits bounds what a node holds and does at once. The zero value of each
// field means its default; [Stats] counts what each limit refused.
type Limits struct {
	// HalfOpen is how many accepted connections may be in their handshake at
	// once (64). When one more arrives, the oldest half-open one is cut.
	HalfOpen int
	// HalfOpenPerIP is the same for one source address, a /64 for IPv6 (8).
	// Loopback is exempt.
	HalfOpenPerIP int
	// FailedPerSecond and FailedBurst bound failed handshakes of one source
	// address (10 a second, 20 at once). Loopback is exempt.
	FailedPerSecond float64
	FailedBurst     int
	// Sources is how many source addresses the failure table remembers (4,096).
	Sources int
	// Links is how many open links the node keeps (1,024).
	Links int
	// HandlersPerPeer and HandlersPerNode bound commands that run at once
	// (256 and 4,096).
	HandlersPerPeer int
	HandlersPerNode int
	// QueuePerPeer and QueuePerNode are how many more calls wait for their turn
	// (256 and 4,096; a negative value is none). Peers take turns; what comes
	// beyond is refused with RESOURCE_EXHAUSTED.
	QueuePerPeer int
	QueuePerNode int
	// ArgumentBytesPerPeer and ArgumentBytesPerNode bound the arguments of calls
	// that run, and again of those that wait (64 MiB and 256 MiB): what would not
	// fit waits for its turn. One call alone may exceed them.
	ArgumentBytesPerPeer int64
	ArgumentBytesPerNode int64
	// CrowdRate is how many calls a second one link may begin whose peer has 16
	// or more calls under way while peers with fewer call too (1,000 for each
	// CPU; a negative value is no bound). A peer that calls alone is not held back.
	CrowdRate int
	// InlineBudget is how long a handler of a command marked [commands.Inline] may
	// keep the reading of its caller's link (5 ms; a negative value runs such
	// handlers as all others). After that, twice that at most, the reading goes on
	// elsewhere, and for a while, 1 s to 10 min, the command runs as all others.
	InlineBudget time.Duration
	// AssemblyBytes bounds the memory of half-received large messages (256 MiB).
	AssemblyBytes int64
	// StreamBytes bounds the memory of what arrives on streams (256 MiB): of
	// bytes that were not read yet, and again of values above 64 KiB that are not
	// complete, for handlers and for callers each.
	StreamBytes int64
	// Roster is how many members the node remembers, and of how many peers it
	// keeps counters (4,096).
	Roster int
	// KnownPeers is how many names the node remembers with their keys when it
	// trusts first use (4,096). Names beyond are refused: forgetting one to make
	// room would let anybody take it.
	KnownPeers int
	// PolicyCallers is how many callers the gate remembers for the rates and
	// concurrency of the policy's rules, under one rule each (16,384). The one
	// idle longest makes room.
	PolicyCallers int
	// Backlog is how many connections of one listener may wait to be accepted (128).
	Backlog int
	// EventQueue is how many events wait for one slow reader (256).
	EventQueue int
	// TopicQueue is how many published values wait for one subscriber, at the
	// publisher and again at the subscriber (256).
	TopicQueue int
	// PublicationBytes is how many bytes one published value takes at most,
	// encoded (64 KiB); larger ones are refused, and passed over by a subscriber.
	PublicationBytes int
	// Subscriptions is how many subscriptions of other nodes, and of its own, a
	// node serves (1,024).
	Subscriptions int
	// CommandStats is how many commands have figures of their own in
	// Node.CommandStats (4,096), 1.4 KiB each and 16 KiB more once called
	// often. Those called first have them; the others share one record.
	CommandStats int
	// Descriptions is how many commands one answer of __describe__ describes
	// (1,000), DescriptionBytes how large it becomes (8 MiB), but for a single one.
	Descriptions     int
	DescriptionBytes int
	// HealthChecks is how many checks Node.AddHealthCheck takes (64).
	HealthChecks int
	// RekeyFrames is after how many frames a direction of a link goes on to its
	// next key (1,048,576, which is also the most). Fewer cost time, and keep
	// less under one key; 1 GiB or 10 minutes end a key too.
	RekeyFrames int
}

// Timers holds the node's periods. The zero value of each field means its default.
type Timers struct {
	// Handshake is the absolute limit from connection to a good HELLO (5 s).
	Handshake time.Duration
	// Claim is how long a starting node listens for another holder of its
	// name (300 ms), ClaimMax the most it waits for that to be settled (1 s).
	Claim    time.Duration
	ClaimMax time.Duration
	// Race is how long one address may stay silent before the next is tried
	// beside it (300 ms).
	Race time.Duration
	// PathGrace is how long a call waits for news of a member none of whose
	// addresses answered (1 s), always within the call's deadline.
	PathGrace time.Duration
	// RetryFor bounds the retries of a call after its path broke (60 s).
	RetryFor time.Duration
	// IdleClose ends a link that carried no call for so long (10 min).
	IdleClose time.Duration
	// Renew replaces a session by one with a fresh key exchange (1 h); streams
	// that are open stay on the old one until they end. HardEnd ends a session
	// that could not be renewed, or whose streams do not end (24 h).
	Renew   time.Duration
	HardEnd time.Duration
	// StaticRetryMin and StaticRetryMax bound the wait before a lost static peer
	// is dialled again (1 s to 60 s, doubling, and up to half as much by chance).
	StaticRetryMin time.Duration
	StaticRetryMax time.Duration
	// ComeBack is after what time static peers of this node may dial it again
	// when it has shut down (1 s); a negative value asks them not to, by themselves.
	ComeBack time.Duration
	// Drain is how long a parting link may finish accepted calls (10 s); open
	// streams may take until HardEnd, unless the node shuts down.
	Drain time.Duration
	// RelayConnect bounds joining a relay (10 s); RelayRetryMin and
	// RelayRetryMax the wait before the next attempt (1 s to 60 s, doubling,
	// with jitter).
	RelayConnect  time.Duration
	RelayRetryMin time.Duration
	RelayRetryMax time.Duration
	// IdlePing, BusyPing, Suspect and Dead are the watchdog of one link: PING
	// after 30 s of silence, or 1 s while a call is pending; an answer 1 s
	// late moves calls to another path, 4 s late ends the link.
	IdlePing time.Duration
	BusyPing time.Duration
	Suspect  time.Duration
	Dead     time.Duration
	// PolicyPoll is how often the policy file is looked at (1 s).
	PolicyPoll time.Duration
	// Settle is how long a gather to everyone waits after start for the
	// first answers of discovery (300 ms).
	Settle time.Duration
	// HealthCheck is how long one health check may take (2 s); HealthFresh is
	// how long its result is good for whoever asks next (1 s).
	HealthCheck time.Duration
	HealthFresh time.Duration
}

// mostRekeyFrames is the protocol's bound of the frames under one key.
const mostRekeyFrames = 1 << 20

func or[T int | int64 | float64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (l Limits) withDefaults() Limits {
	or(&l.HalfOpen, 64)
	or(&l.HalfOpenPerIP, 8)
	or(&l.FailedPerSecond, 10)
	or(&l.FailedBurst, 20)
	or(&l.Sources, 4096)
	or(&l.Links, 1024)
	or(&l.HandlersPerPeer, 256)
	or(&l.HandlersPerNode, 4096)
	or(&l.QueuePerPeer, 256)
	or(&l.QueuePerNode, 4096)
	or(&l.ArgumentBytesPerPeer, 64<<20)
	or(&l.ArgumentBytesPerNode, 256<<20)
	or(&l.CrowdRate, 1000*runtime.GOMAXPROCS(0))
	or(&l.InlineBudget, 5*time.Millisecond)
	or(&l.AssemblyBytes, 256<<20)
	or(&l.StreamBytes, 256<<20)
	or(&l.Roster, 4096)
	or(&l.KnownPeers, 4096)
	or(&l.PolicyCallers, policy.DefaultRemembered)
	or(&l.Backlog, 128)
	or(&l.EventQueue, 256)
	or(&l.TopicQueue, 256)
	or(&l.PublicationBytes, 64<<10)
	or(&l.Subscriptions, 1024)
	or(&l.CommandStats, 4096)
	or(&l.Descriptions, 1000)
	or(&l.DescriptionBytes, 8<<20)
	or(&l.HealthChecks, 64)
	or(&l.RekeyFrames, mostRekeyFrames)
	l.RekeyFrames = min(max(l.RekeyFrames, 1), mostRekeyFrames)
	return l
}

func (t Timers) withDefaults() Timers {
	or(&t.Handshake, 5*time.Second)
	or(&t.Claim, 300*time.Millisecond)
	or(&t.ClaimMax, time.Second)
	or(&t.Race, 300*time.Millisecond)
	or(&t.PathGrace, time.Second)
	or(&t.RetryFor, time.Minute)
	or(&t.IdleClose, 10*time.Minute)
	or(&t.Renew, time.Hour)
	or(&t.HardEnd, 24*time.Hour)
	or(&t.StaticRetryMin, time.Second)
	or(&t.StaticRetryMax, time.Minute)
	or(&t.ComeBack, time.Second)
	or(&t.Drain, 10*time.Second)
	or(&t.RelayConnect, 10*time.Second)
	or(&t.RelayRetryMin, time.Second)
	or(&t.RelayRetryMax, time.Minute)
	or(&t.IdlePing, 30*time.Second)
	or(&t.BusyPing, time.Second)
	or(&t.Suspect, time.Second)
	or(&t.Dead, 4*time.Second)
	or(&t.PolicyPoll, time.Second)
	or(&t.Settle, 300*time.Millisecond)
	or(&t.HealthCheck, 2*time.Second)
	or(&t.HealthFresh, time.Second)
	return t
}
