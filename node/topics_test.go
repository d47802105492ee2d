package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// received reads count messages, or fails after a minute.
func received(t *testing.T, s *Subscription, count int) []Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []Message
	for m := range s.Messages(ctx) {
		if all = append(all, m); len(all) == count {
			return all
		}
	}
	t.Fatalf("%d messages came, want %d: %v", len(all), count, all)
	return nil
}

func subscribe(t *testing.T, n *Node, pattern string) *Subscription {
	t.Helper()
	s, err := n.Subscribe(t.Context(), pattern)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, n *Node, topic string, v any) {
	t.Helper()
	if err := n.Publish(t.Context(), topic, v); err != nil {
		t.Fatal(err)
	}
}

func TestSubscribersGetWhatMatchesInOrder(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		s := subscribe(t, a, "lights.**")
		for i := range 100 {
			publish(t, b, "lights.kitchen", i)
			publish(t, b, "heating.kitchen", i)
		}
		for i, got := range received(t, s, 100) {
			var v int
			if err := got.Decode(&v); err != nil || v != i || got.Topic != "lights.kitchen" || got.Node != "b" || got.Missed != 0 {
				t.Fatalf("message %d: %+v, value %d, %v", i, got, v, err)
			}
		}
		publish(t, a, "lights.own", true)
		if own := received(t, s, 1)[0]; own.Node != "a" || own.Topic != "lights.own" {
			t.Errorf("the node's own value came as %+v", own)
		}
	})
}

func TestASubscriptionFollowsNodesThatComeAndBreak(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		ha, hb := m.host("a"), m.host("b")
		a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
		s := subscribe(t, a, "*")
		late := m.start("late")
		time.Sleep(5 * time.Second)
		publish(t, late, "here", 1)
		if got := received(t, s, 1)[0]; got.Node != "late" {
			t.Errorf("from a node that came later: %+v", got)
		}
		m.world.Reset(ha, hb)
		time.Sleep(5 * time.Second)
		publish(t, b, "again", 2)
		if got := received(t, s, 1)[0]; got.Node != "b" || got.Topic != "again" {
			t.Errorf("after a break: %+v", got)
		}
	})
}

func TestASlowSubscriberLosesAndLearnsIt(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		few := func(c *Config) { c.Limits.TopicQueue = 4 }
		a, b := m.start("a", few), m.start("b", few)
		s := subscribe(t, a, "count")
		const published = 1000
		for i := range published {
			publish(t, b, "count", i)
			if i%10 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got := 0
		last := -1
		for m := range s.Messages(ctx) {
			var v int
			if err := m.Decode(&v); err != nil || v <= last {
				t.Fatalf("%d came after %d, %v", v, last, err)
			}
			got, last = got+1, v
		}
		publish(t, b, "count", published)
		end := received(t, s, 1)[0]
		if uint64(got)+1+s.Missed() != published+1 || got == 0 || s.Missed() == 0 {
			t.Errorf("%d came and %d were missed of %d; the last one says %d", got+1, s.Missed(), published+1, end.Missed)
		}
		if a.Stats().PublicationsDropped+b.Stats().PublicationsDropped != s.Missed() {
			t.Errorf("%d + %d counted as dropped, %d missed", a.Stats().PublicationsDropped, b.Stats().PublicationsDropped, s.Missed())
		}
	})
}

func TestAnObserverPublishesThroughANode(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		one, two := subscribe(t, a, "news"), subscribe(t, b, "news")
		observer := m.start("", func(c *Config) { c.Observer = true })
		publish(t, observer, "news", "hello")
		for _, s := range []*Subscription{one, two} {
			got := received(t, s, 1)[0]
			if v, err := got.Value(); err != nil || v != "hello" {
				t.Errorf("%v, %v", v, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			for m := range s.Messages(ctx) {
				t.Errorf("it came twice: %+v", m)
			}
			cancel()
		}
	})
}

func TestSubscriptionsAreBounded(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", func(c *Config) { c.Limits.Subscriptions = 2 })
		first, second := subscribe(t, a, "x"), subscribe(t, a, "y")
		if _, err := a.Subscribe(t.Context(), "z"); failure(t, err).Code != commands.ResourceExhausted || a.Stats().SubscriptionsRefused != 1 {
			t.Errorf("a third one: %v", err)
		}
		first.Close()
		second.Close()
		subscribe(t, a, "z")
		for _, bad := range []string{"", "a.**.b", "a..b"} {
			if _, err := a.Subscribe(t.Context(), bad); failure(t, err).Code != commands.InvalidArgument {
				t.Errorf("pattern %q: %v", bad, err)
			}
		}
		if err := a.Publish(t.Context(), "x", make([]byte, 65<<10)); failure(t, err).Code != commands.ResourceExhausted {
			t.Errorf("a value of 65 KiB: %v", err)
		}
	})
}
