package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// mirrored checks that what one node sent is what the other received.
func mirrored(t *testing.T, a, b *Node) {
	t.Helper()
	there, back := a.PeerStats()[b.Name()], b.PeerStats()[a.Name()]
	if diff := cmp.Diff(there.Out, back.In); diff != "" {
		t.Errorf("from %s to %s, as sent and as received:\n%s", a.Name(), b.Name(), diff)
	}
	if diff := cmp.Diff(there.In, back.Out); diff != "" {
		t.Errorf("from %s to %s, as sent and as received:\n%s", b.Name(), a.Name(), diff)
	}
}

func TestS3_15_CountersOfEachKindInAndOut(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, a, "one", answer("yes"))
		handle(t, b, "one", answer("yes"))
		handle(t, b, "fail", func(context.Context, *commands.Call) (any, error) { return nil, errors.New("no") })
		handle(t, b, "mirror", func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) })
		if len(a.PeerStats()) != 0 {
			t.Errorf("before any link: %v", a.PeerStats())
		}
		for range 5 {
			wantValue(t, a, "b", "one", "yes") // a makes the link
		}
		wantValue(t, b, "a", "one", "yes")
		_, err := a.Call(t.Context(), "b", "fail")
		failure(t, err)
		_, err = a.Call(t.Context(), "b", "no.such")
		failure(t, err)
		synctest.Wait()
		small := a.PeerStats()["b"]
		if _, err := a.Call(t.Context(), "b", "mirror", Args(make([]byte, 1<<20))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := a.PeerStats()["b"]
		if _, err := a.Ping(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := a.PeerStats()["b"]
		if s.Out.Ping != before.Out.Ping+1 || s.In.Pong != before.In.Pong+1 {
			t.Errorf("pings: %+v, before %+v", s, before)
		}
		if s.Out.Requests != 8 || s.In.Answers != 8 || s.In.Requests != 1 || s.Out.Answers != 1 || s.Links != 1 {
			t.Errorf("calls: %+v", s)
		}
		if s.Out.Hello != 1 || s.In.HelloAck != 1 || s.In.Hello != 0 || s.Out.HelloAck != 0 {
			t.Errorf("greetings: %+v", s)
		}
		if small.In.Chunks != 0 || s.Out.Chunks < 64 || s.In.Chunks < 64 || s.Out.Bytes-small.Out.Bytes < 1<<20 || s.In.Bytes-small.In.Bytes < 1<<20 {
			t.Errorf("a large call: %+v, before %+v", s, small)
		}
		mirrored(t, a, b)

		served := b.PeerStats()["a"].Served()
		want := MessageCounts{Hello: 1, HelloAck: 1, Ping: s.Out.Ping, Pong: s.In.Pong, Requests: 8, Answers: 8}
		if diff := cmp.Diff(want, served); diff != "" {
			t.Errorf("as who serves sees it:\n%s", diff)
		}
		own := b.Stats()
		if own.Requests != 8 || own.Results != (Results{OK: 6, CallerErrors: 1, ServerErrors: 1}) {
			t.Errorf("the node's: %d requests, %+v", own.Requests, own.Results)
		}
	})
}

// A stream is one request with one answer, whatever passes on it.
func TestS3_15_AStreamIsOneRequest(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		streamers(t, b)
		if all, err := read(InvokeStream[int](t.Context(), a, "b", "count", upTo{N: 1000})); err != nil || len(all) != 1000 {
			t.Fatalf("%d values, %v", len(all), err)
		}
		synctest.Wait()
		s := a.PeerStats()["b"]
		if s.Out.Requests != 1 || s.In.Answers != 1 || s.In.Chunks == 0 {
			t.Errorf("%+v", s)
		}
		mirrored(t, a, b)
		if s := b.Stats(); s.Requests != 1 || s.Results != (Results{OK: 1}) {
			t.Errorf("%d requests, %+v", s.Requests, s.Results)
		}
	})
}

// The counters go on when a link breaks, when a peer parts and when it comes
// back as another instance.
func TestS3_15_CountersSurviveReconnects(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		h := m.host("b")
		run := func() *Node {
			cfg := m.config("b", h)
			b, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			handle(t, b, "one", answer("yes"))
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { shutdown(t, b) })
			return b
		}
		b := run()
		wantValue(t, a, "b", "one", "yes")
		for _, s := range a.roster.all() { // it breaks
			s.conn.Close(errors.New("cut"))
		}
		wantValue(t, a, "b", "one", "yes")
		synctest.Wait()
		s := a.PeerStats()["b"]
		if s.Links != 1 || s.Out.Requests != 2 || s.In.Answers != 2 || s.Out.Hello != 2 || s.In.HelloAck != 2 || s.Out.Bye+s.In.Bye != 0 {
			t.Errorf("after a link broke: %+v", s)
		}
		shutdown(t, b)
		synctest.Wait()
		gone := a.PeerStats()["b"]
		if gone.Links != 0 || gone.In.Bye != 1 || gone.Out.ByeAck != 1 || gone.In.Bytes <= s.In.Bytes || gone.Out.Bytes <= s.Out.Bytes {
			t.Errorf("after it parted: %+v, before %+v", gone, s)
		}
		b = run()
		wantValue(t, a, "b", "one", "yes")
		synctest.Wait()
		s = a.PeerStats()["b"]
		if s.Links != 1 || s.Out.Requests != 3 || s.In.Answers != 3 || s.Out.Hello != 3 || s.In.Bytes <= gone.In.Bytes {
			t.Errorf("after it came back: %+v, before %+v", s, gone)
		}
		if s := b.PeerStats()["a"]; s.In.Requests != 1 || s.In.Hello != 1 {
			t.Errorf("the new instance begins anew: %+v", s)
		}
	})
}

// An observer has no name: all observers share one record.
func TestS3_15_ObserversShareCounters(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b")
		handle(t, b, "one", answer("yes"))
		for i := range 2 {
			o := m.startOn(m.host(fmt.Sprint("o", i)), "", func(c *Config) { c.Observer = true })
			wantValue(t, o, "b", "one", "yes")
		}
		synctest.Wait()
		if s := b.PeerStats(); len(s) != 1 || s[OtherPeers].In.Requests != 2 || s[OtherPeers].Links != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestS3_15_CountersOfPeersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := &counters{}
		book := newPeerBook(2, count)
		opened := func(name string) *session {
			s := &session{link: &link.Link{}, peer: link.Peer{Hello: crypto.Hello{Name: name}}}
			book.open(s)
			return s
		}
		a, b := opened("a"), opened("b")
		opened("c") // both others have a link
		if s := book.stats(); len(s) != 3 || s[OtherPeers].Links != 1 || count.PeersForgotten.Load() != 0 {
			t.Errorf("with no room: %+v", s)
		}
		book.close(b)
		time.Sleep(time.Second)
		book.close(a)
		opened("d")
		s := book.stats()
		if _, kept := s["a"]; !kept || len(s) != 3 || s["d"].In.Hello != 1 || count.PeersForgotten.Load() != 1 {
			t.Errorf("b was without a link for longest: %+v, %d forgotten", s, count.PeersForgotten.Load())
		}
		if book.links() != 2 {
			t.Errorf("%d links, want those of c and d", book.links())
		}
	})
}
