package link_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

var testKey = crypto.GenerateKey()

// config returns the configuration of a node named name.
func config(name string) link.Config {
	return link.Config{
		Keys: []*crypto.Schedule{crypto.Derive(testKey, "test")}, Name: name,
		Instance: crypto.NewInstanceID(), Replay: crypto.NewReplaySet(64),
		Counters: &link.Counters{},
	}
}

// result is what Dial or Accept returned.
type result struct {
	l   *link.Link
	err error
}

// handshake runs both sides of a handshake over two carriers.
func handshake(ctx context.Context, a, b link.Carrier, dialler, acceptor link.Config, target string) (dial, accept result) {
	var wg sync.WaitGroup
	wg.Go(func() { accept.l, accept.err = link.Accept(ctx, b, acceptor) })
	dial.l, dial.err = link.Dial(ctx, a, dialler, target)
	wg.Wait()
	return dial, accept
}

// pair returns the two ends of an open link over memory.
func pair(t testing.TB, dialler, acceptor link.Config) (i, r *link.Link) {
	t.Helper()
	a, b := memPipe()
	return pairOver(t, link.Stream(a), link.Stream(b), dialler, acceptor)
}

// pairOver is pair over given carriers.
func pairOver(t testing.TB, a, b link.Carrier, dialler, acceptor link.Config) (i, r *link.Link) {
	t.Helper()
	dial, accept := handshake(context.Background(), a, b, dialler, acceptor, acceptor.Name)
	if dial.err != nil || accept.err != nil {
		t.Fatalf("handshake: dial %v, accept %v", dial.err, accept.err)
	}
	return dial.l, accept.l
}

// collect runs l on a goroutine and sends what it delivers, as text, to the
// channel, which it closes at the end.
func collect(l *link.Link) <-chan string {
	got := make(chan string, 1024)
	go func() {
		defer close(got)
		_ = l.Run(func(m wire.Message) error {
			got <- fmt.Sprintf("%v %s", m.Type, m.Body)
			return nil
		})
	}()
	return got
}

// causeIs fails the test unless err has the cause.
func causeIs(t testing.TB, err error, want link.Cause) {
	t.Helper()
	var e *link.Error
	if !errors.As(err, &e) || e.Cause != want {
		t.Errorf("error is %v, want cause %v", err, want)
	}
}

func TestMessagesArriveInOrderBothWays(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	defer i.Close(nil)
	defer r.Close(nil)
	atR, atI := collect(r), collect(i)
	for _, way := range []struct {
		from *link.Link
		to   <-chan string
	}{{i, atR}, {r, atI}} {
		for n := range 10 {
			if err := way.from.Post(wire.TypePing, fmt.Appendf(nil, "%08d", n)); err != nil {
				t.Fatal(err)
			}
			if n%3 == 0 {
				way.from.Flush()
			}
		}
		way.from.FlushLater()
		for n := range 10 {
			if got, want := <-way.to, fmt.Sprintf("PING %08d", n); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	if got := i.Peer(); got.Hello.Name != "bob" || got.Initiator || !i.Initiator() {
		t.Errorf("the initiator sees %+v", got)
	}
	if got := r.Peer(); got.Hello.Name != "alice" || got.Hello.Target != "bob" || !got.Initiator {
		t.Errorf("the responder sees %+v", got)
	}
}
