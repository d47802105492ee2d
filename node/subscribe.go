package node

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// Message is a value that was published.
type Message struct {
	Topic string
	Node  string         // the node that published it, for an observer perhaps
	Key   crypto.NodeKey // the publisher's identity; zero if it proved none
	// Missed is how many values of this publisher were dropped before this one,
	// because this subscriber took too long over earlier ones.
	Missed uint64

	raw []byte
}

// Value returns what was published, as [Reply.Value] does.
func (m Message) Value() (any, error) {
	var v any
	err := m.Decode(&v)
	return v, err
}

// Decode stores what was published in the value that v points to; what does not
// fit is an error.
func (m Message) Decode(v any) error { return commands.DecodeValue(m.raw, v) }

// Subscription receives what is published under a pattern of topics. It follows
// nodes that come and go; close it when it is not wanted any more.
type Subscription struct {
	node    *Node
	pattern commands.Pattern
	cancel  context.CancelFunc
	ctx     context.Context
	inbox   chan Message
	missed  atomic.Uint64
	working sync.WaitGroup

	mu       sync.Mutex
	followed map[crypto.InstanceID]bool
}

// Subscribe asks every node of the network, now and as they come, for what it
// publishes under topics that match a pattern ([commands.ParsePattern]), this
// node's own values included. It returns when the nodes known at that moment
// have taken the subscription or failed to, at the latest when the context ends
// or after the default timeout, and then holds until Close or the node's
// Shutdown. At most Limits.TopicQueue values wait for a slow reader.
//
// A value arrives at most once; what is published while a link to the publisher
// is being made anew is lost.
func (n *Node) Subscribe(ctx context.Context, pattern string) (*Subscription, error) {
	p, err := commands.ParsePattern(pattern)
	if err != nil {
		return nil, badCall(err)
	}
	bounded, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.Settle(bounded); err != nil {
		return nil, callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, err, "start the node before it subscribes")
	}
	s := &Subscription{node: n, pattern: p, inbox: make(chan Message, n.cfg.Limits.TopicQueue), followed: map[crypto.InstanceID]bool{}}
	own, err := n.topics.open(p)
	if err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(n.ctx)
	s.start(func() { s.drain(own) })
	first := s.followAll()
	s.start(s.watch)
	for _, begun := range first {
		select {
		case <-begun:
		case <-bounded.Done():
		}
	}
	return s, nil
}

// start runs f on a goroutine that Close waits for.
func (s *Subscription) start(f func()) {
	s.working.Add(1)
	if !s.node.spawn(func() { defer s.working.Done(); f() }) {
		s.working.Done()
	}
}

// drain passes on what this node publishes itself.
func (s *Subscription) drain(own *subscription) {
	defer s.node.topics.close(own)
	for {
		select {
		case p := <-own.queue:
			s.take(p, s.node.asCaller())
		case <-s.ctx.Done():
			return
		}
	}
}

// watch follows nodes that come later.
func (s *Subscription) watch() {
	for {
		_, changed := s.node.roster.size()
		s.followAll()
		select {
		case <-changed:
		case <-s.ctx.Done():
			return
		}
	}
}

// followAll follows every member that is not followed yet, and returns channels
// that are closed when they have taken the subscription, or failed to.
func (s *Subscription) followAll() (begun []<-chan struct{}) {
	for _, p := range s.node.Peers() {
		s.mu.Lock()
		known := s.followed[p.Instance]
		s.followed[p.Instance] = true
		s.mu.Unlock()
		if known {
			continue
		}
		f := &follower{subscription: s, name: p.Name, instance: p.Instance, begun: make(chan struct{})}
		s.start(f.run)
		begun = append(begun, f.begun)
	}
	return begun
}

// take puts a value into the inbox, or drops it if that is full.
func (s *Subscription) take(p publication, from commands.Caller) {
	m := Message{Topic: p.Topic, Node: from.Name, Key: from.Key, Missed: p.Missed, raw: p.Value}
	s.missed.Add(p.Missed)
	select {
	case s.inbox <- m:
	default:
		s.missed.Add(1)
		s.node.count.PublicationsDropped.Add(1)
	}
}

// Missed is how many values were dropped on their way to this subscription, as
// far as is known: a publisher tells with its next value.
func (s *Subscription) Missed() uint64 { return s.missed.Load() }

// Messages yields what was published, until the subscription is closed or the
// context ends. A message is yielded once, over all loops together.
func (s *Subscription) Messages(ctx context.Context) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for {
			select {
			case m := <-s.inbox:
				if !yield(m) {
					return
				}
			case <-ctx.Done():
				return
			case <-s.ctx.Done():
				return
			}
		}
	}
}

// Close ends the subscription and returns when nothing of it is left.
func (s *Subscription) Close() {
	s.cancel()
	s.working.Wait()
}

// follower reads what one node publishes.
type follower struct {
	subscription *Subscription
	name         string
	instance     crypto.InstanceID
	begun        chan struct{}
	stood        bool // begun is closed
}

// stand tells that the subscription stands, or could not be made.
func (f *follower) stand() {
	if !f.stood {
		f.stood = true
		close(f.begun)
	}
}

// run subscribes, and again after each break, while the node is there.
func (f *follower) run() {
	s := f.subscription
	defer func() {
		f.stand()
		s.mu.Lock()
		delete(s.followed, f.instance)
		s.mu.Unlock()
	}()
	const least, most = 100 * time.Millisecond, time.Minute
	for wait := least; s.node.roster.find(f.instance) != nil; wait = min(2*wait, most) {
		if f.read() {
			wait = least
		}
		f.stand()
		if !sleep(s.ctx, wait/2+rand.N(wait/2)) {
			return
		}
	}
}

// read makes one subscription at the node and passes on what comes until it
// breaks; it tells whether the subscription ever stood.
func (f *follower) read() (stood bool) {
	s := f.subscription
	args := subscribeArgs{Pattern: s.pattern.String()}
	for p, err := range InvokeStream[publication](s.ctx, s.node, f.name, "__subscribe__", args) {
		switch {
		case err != nil:
			return stood
		case p.Topic == "":
			stood = true
			f.stand()
		case len(p.Value) <= s.node.cfg.Limits.PublicationBytes:
			s.take(p, commands.Caller{Name: f.name, Key: s.node.keyOf(f.instance)})
		}
	}
	return stood
}

// keyOf is the identity of a member, or the zero key.
func (n *Node) keyOf(id crypto.InstanceID) crypto.NodeKey {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	if m := n.roster.members[id]; m != nil && m.hasKey {
		return m.key
	}
	return crypto.NodeKey{}
}
