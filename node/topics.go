package node

import (
	"context"
	"iter"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
)

// publication is one published value on its way, as `__subscribe__` yields it. Without a
// topic it says that the subscription stands.
type publication struct {
	Topic  string       `json:"topic"`
	Value  commands.Raw `json:"value"`
	Missed uint64       `json:"missed,omitempty"` // dropped before this one for lack of room

}

// topics holds the subscriptions to what this node publishes: those of other
// nodes, which read them through `__subscribe__`, and its own.
type topics struct {
	queue, most int
	count       *counters

	mu   sync.Mutex
	subs map[*subscription]struct{}
}

// subscription is one bounded queue between publishers, which never wait, and
// one reader.
type subscription struct {
	pattern commands.Pattern
	queue   chan publication
	missed  uint64 // guarded by topics.mu
}

func newTopics(queue, most int, c *counters) *topics {
	return &topics{queue: queue, most: most, count: c, subs: map[*subscription]struct{}{}}
}

// open makes a subscription, or tells that there are too many.
func (t *topics) open(pattern commands.Pattern) (*subscription, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.subs) >= t.most {
		t.count.SubscriptionsRefused.Add(1)
		return nil, commands.Errorf(commands.ResourceExhausted, "this node has %d subscriptions already", t.most).DidNotRun()
	}
	s := &subscription{pattern: pattern, queue: make(chan publication, t.queue)}
	t.subs[s] = struct{}{}
	return s, nil
}

func (t *topics) close(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.subs, s)
}

// publish hands p to every subscription that matches. One that is full loses it.
func (t *topics) publish(topic commands.Path, p publication) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.subs {
		if !s.pattern.Match(topic) {
			continue
		}
		p.Missed = s.missed
		select {
		case s.queue <- p:
			s.missed = 0
		default:
			s.missed++
			t.count.PublicationsDropped.Add(1)
		}
	}
}

// subscribeArgs are the arguments of `__subscribe__`.
type subscribeArgs struct {
	Pattern string `json:"pattern"`
}

// serveSubscription yields what this node publishes to another node.
func (n *Node) serveSubscription(ctx context.Context, in subscribeArgs) iter.Seq2[publication, error] {
	return func(yield func(publication, error) bool) {
		pattern, err := commands.ParsePattern(in.Pattern)
		if err != nil {
			yield(publication{}, err)
			return
		}
		s, err := n.topics.open(pattern)
		if err != nil {
			yield(publication{}, err)
			return
		}
		defer n.topics.close(s)
		if !yield(publication{}, nil) {
			return
		}
		for {
			select {
			case p := <-s.queue:
				if !yield(p, nil) {
					return
				}
			case <-ctx.Done():
				return
			case <-n.closing:
				return
			}
		}
	}
}
