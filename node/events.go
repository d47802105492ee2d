package node

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	// Joined: a member was found; Reason says how. Left: it said goodbye. Lost:
	// it went without a word; Reason says what was noticed. A member that only a
	// relay shows is lost when it leaves, unless a link carried its goodbye.
	Joined EventKind = "joined"
	Left   EventKind = "left"
	Lost   EventKind = "lost"
	// LinkUp and LinkDown: a link to a member came up or ended, with its cause.
	LinkUp   EventKind = "link up"
	LinkDown EventKind = "link down"
	// PathChanged: calls to a member now take Path instead of another, such as
	// the LAN instead of a relay, or another relay. The first path is none.
	PathChanged EventKind = "path changed"
	// RelayUp and RelayDown: a relay was joined, or is lost or not reached.
	RelayUp   EventKind = "relay up"
	RelayDown EventKind = "relay down"
	// NetworkChanged: the machine slept, or lost or got addresses; links and relay
	// connections that did not survive it are made anew.
	NetworkChanged EventKind = "network changed"
	// Conflict: another live node claims this node's name.
	Conflict EventKind = "name conflict"
	// Renamed: this node lost its name and goes on under the one in Detail.
	Renamed EventKind = "renamed"
	// KeyChanged: a name came back with another identity key.
	KeyChanged EventKind = "identity changed"
	// IdentityRefused: a link to or from a member was refused because of its
	// identity key; Reason says why, Key is the key it proved.
	IdentityRefused EventKind = "identity refused"
	// StateTrouble: a file of the node's state cannot be used or written; Reason
	// names it. What went wrong in New is told at Start.
	StateTrouble EventKind = "state file"
	// PolicyChanged: another text of the policy file came into force, or is
	// broken and did not; Detail says which.
	PolicyChanged EventKind = "policy"
	// CommandDemoted: the command in Detail is marked as quick and was slow; Reason
	// says for how long it now has goroutines of its own, see [commands.Inline].
	CommandDemoted EventKind = "command demoted"
	// KeysChanged: the node goes on with the key ring in Detail, of fingerprints.
	KeysChanged EventKind = "keys changed"
	// SourceReport: a source of discovery failed, recovered, or noticed
	// something an operator should know, such as a clock that is off.
	SourceReport EventKind = "discovery"
)

// Event is one thing that happened to the mesh as this node sees it. Fields
// that an event has no use for are zero.
type Event struct {
	Time time.Time
	Kind EventKind
	// Node is the member's name, if it concerns one.
	Node string
	// Key is the member's identity, if it has shown one.
	Key crypto.NodeKey
	// Path is the link or relay that it is about, as it was then.
	Path PathInfo
	// Reason is why or how, for people.
	Reason string
	// Detail is the one thing that counts beside Reason: the address of a link
	// or relay, the new name of Renamed, the new key of KeyChanged; else as Reason.
	Detail string
}

// events fans events out to subscribers; a slow one loses events, counted.
type events struct {
	size  int
	count *counters

	mu   sync.Mutex
	subs map[chan Event]struct{}
}

func newEvents(size int, c *counters) *events {
	return &events{size: size, count: c, subs: map[chan Event]struct{}{}}
}

func (e *events) emit(ev Event) {
	ev.Time = time.Now()
	if ev.Detail == "" {
		ev.Detail = ev.Reason
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for ch := range e.subs {
		select {
		case ch <- ev:
		default:
			e.count.EventsLost.Add(1)
		}
	}
}

func (e *events) subscribe() chan Event {
	ch := make(chan Event, e.size)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subs[ch] = struct{}{}
	return ch
}

func (e *events) unsubscribe(ch chan Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.subs, ch)
}

// Events yields what happens from the moment of the call until the context
// ends. Events wait in a queue of Limits.EventQueue; when it is full the
// newest are dropped and counted. The sequence can be ranged over once.
func (n *Node) Events(ctx context.Context) iter.Seq[Event] {
	ch := n.events.subscribe()
	stop := context.AfterFunc(ctx, func() { n.events.unsubscribe(ch) })
	return func(yield func(Event) bool) {
		defer stop()
		defer n.events.unsubscribe(ch)
		for {
			select {
			case ev := <-ch:
				if !yield(ev) {
					return
				}
			case <-ctx.Done():
				return
			case <-n.ended:
				return
			}
		}
	}
}
