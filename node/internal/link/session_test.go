package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func asError(err error, target **link.Error) bool { return errors.As(err, target) }

// rawSession returns a link and the raw peer that dialled it.
func rawSession(t testing.TB, cfg link.Config) (*link.Link, *rawPeer, *memConn) {
	t.Helper()
	near, far, wait := accepting(cfg)
	p := rawDial(t, link.Stream(near), cfg.Keys[0])
	p.sendHello(p.hello(), nil)
	r := wait()
	must(t, r.err)
	return r.l, p, far
}

// types returns the types of the messages in the next frame.
func (p *rawPeer) types() (got []wire.Type) {
	for _, m := range p.frame() {
		got = append(got, m.Type)
	}
	return got
}

func TestRekeyAfterSoManyFrames(t *testing.T) {
	cfg := config("bob")
	cfg.Rekey.Frames = 3
	l, p, _ := rawSession(t, cfg)
	defer l.Close(nil)
	updates := 0
	for n := 2; n <= 12; n++ { // HELLO was the first
		must(t, l.Post(wire.TypePing, make([]byte, 8)))
		l.Flush()
		got := p.types()
		if update := len(got) == 2 && got[1] == wire.TypeKeyUpdate; update != (n%3 == 0) {
			t.Errorf("frame %d: %v", n, got)
		} else if update {
			updates++
			p.recv.Advance() // else the next frame does not open
		}
	}
	if updates != 4 {
		t.Errorf("%d new keys in 12 frames, want 4", updates)
	}
}

func TestRekeyAfterSoManyBytes(t *testing.T) {
	cfg := config("bob")
	cfg.Rekey.Bytes = 100 << 10
	l, p, _ := rawSession(t, cfg)
	defer l.Close(nil)
	var at []int
	for n := range 20 {
		must(t, l.Post(wire.TypeChunk, make([]byte, 10<<10)))
		l.Flush()
		if got := p.types(); got[len(got)-1] == wire.TypeKeyUpdate {
			at = append(at, n)
			p.recv.Advance()
		}
	}
	if got := fmt.Sprint(at); got != "[9 19]" {
		t.Errorf("new keys after chunks %v, want [9 19]", got)
	}
}

func TestRekeyAfterSomeTimeWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, _ := rawSession(t, config("bob"))
		began := time.Now()
		for n := 1; n <= 3; n++ {
			got := p.types() // PAD is not delivered
			if len(got) != 1 || got[0] != wire.TypeKeyUpdate {
				t.Errorf("frame %d: %v, want KEYUPDATE", n, got)
			}
			p.recv.Advance()
			if passed := time.Since(began); passed != time.Duration(n)*10*time.Minute {
				t.Errorf("new key %d after %v", n, passed)
			}
		}
		l.Close(nil)
	})
}

func TestRekeyTimeCountsFromTheLastKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("bob")
		cfg.Rekey.Frames = 2
		l, p, _ := rawSession(t, cfg)
		began := time.Now()
		time.Sleep(4 * time.Minute)
		must(t, l.Post(wire.TypePing, make([]byte, 8))) // the second frame
		l.Flush()
		for _, want := range []time.Duration{4 * time.Minute, 14 * time.Minute} {
			if got := p.types(); got[len(got)-1] != wire.TypeKeyUpdate {
				t.Errorf("frame %v, want KEYUPDATE at its end", got)
			}
			p.recv.Advance()
			if passed := time.Since(began); passed != want {
				t.Errorf("new key after %v, want %v", passed, want)
			}
		}
		l.Close(nil)
	})
}

func TestRekeyStormDeliversEverything(t *testing.T) {
	dialler, acceptor := config("alice"), config("bob")
	dialler.Rekey.Frames, acceptor.Rekey.Frames = 2, 3
	i, r := pair(t, dialler, acceptor)
	atI, atR := collect(i), collect(r)
	var wg sync.WaitGroup
	for _, way := range []struct {
		l  *link.Link
		to <-chan string
	}{{i, atR}, {r, atI}} {
		wg.Go(func() {
			for n := range 1000 {
				if way.l.Post(wire.TypePing, fmt.Appendf(nil, "%08d", n)) == nil {
					way.l.Flush()
				}
			}
		})
		wg.Go(func() {
			for n := range 1000 {
				if got := <-way.to; got != fmt.Sprintf("PING %08d", n) {
					t.Errorf("message %d is %q", n, got)
					return
				}
			}
		})
	}
	wg.Wait()
	i.Close(nil)
	r.Close(nil)
}

func TestWhatIsNotForDeliveryIsNotDelivered(t *testing.T) {
	l, p, _ := rawSession(t, config("bob"))
	defer l.Close(nil)
	messages := wire.AppendMessage(nil, wire.TypePad, []byte("pad"))
	messages = wire.AppendMessage(messages, 0x93, []byte("of a later version"))
	messages = wire.AppendMessage(messages, wire.TypePing, []byte("12345678"))
	messages = wire.AppendMessage(messages, wire.TypeKeyUpdate)
	p.sendMessages(messages)
	p.send.Advance()
	p.sendMessages(wire.AppendMessage(nil, wire.TypePong, []byte("12345678")))
	got := collect(l)
	for _, want := range []string{"PING 12345678", "PONG 12345678"} {
		if m := <-got; m != want {
			t.Errorf("delivered %q, want %q", m, want)
		}
	}
}

func TestFramesThatEndTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		plain func(p *rawPeer) []byte
		want  link.Cause
	}{
		"next but one":     {func(p *rawPeer) []byte { return append(wire.BeginFrame(nil, 2), 0x7f, 0) }, link.CauseSequence},
		"HELLO again":      {func(p *rawPeer) []byte { return append(wire.BeginFrame(nil, 1), 1, 0) }, link.CauseFrame},
		"unknown type":     {func(p *rawPeer) []byte { return append(wire.BeginFrame(nil, 1), 0x30, 0) }, link.CauseFrame},
		"no message":       {func(p *rawPeer) []byte { return wire.BeginFrame(nil, 1) }, link.CauseFrame},
		"nothing":          {func(p *rawPeer) []byte { return nil }, link.CauseFrame},
		"KEYUPDATE in mid": {func(p *rawPeer) []byte { return append(wire.BeginFrame(nil, 1), 2, 0, 0x7f, 0) }, link.CauseFrame},
	} {
		cfg := config("bob")
		l, p, _ := rawSession(t, cfg)
		p.sendPlain(c.plain(p))
		causeIs(t, l.Run(func(m wire.Message) error {
			t.Errorf("%s: delivered %v", name, m.Type)
			return nil
		}), c.want)
		l.Close(nil)
		if cfg.Counters.Ended(c.want) != 1 {
			t.Errorf("%s: counters %v", name, cfg.Counters.Snapshot())
		}
	}
}

func TestErrorOfDeliverEndsTheLink(t *testing.T) {
	for _, c := range []struct {
		err  error
		want link.Cause
	}{
		{&wire.MalformedError{What: "CALL"}, link.CauseMessage},
		{&wire.GuardError{Reason: wire.GuardDepth}, link.CauseMessage},
		{&link.Error{Cause: link.CauseMessage}, link.CauseMessage},
		{errors.New("enough"), link.CauseLocal},
	} {
		cfg := config("bob")
		l, p, _ := rawSession(t, cfg)
		p.sendMessages(wire.AppendMessage(nil, wire.TypePing, make([]byte, 8)))
		if err := l.Run(func(wire.Message) error { return c.err }); err != c.err || l.Err() != c.err {
			t.Errorf("Run returned %v, Err %v, want %v", err, l.Err(), c.err)
		}
		l.Close(errors.New("later"))
		if l.Err() != c.err || cfg.Counters.Ended(c.want) != 1 {
			t.Errorf("%v: Err %v, counters %v", c.err, l.Err(), cfg.Counters.Snapshot())
		}
	}
}

func TestEndsAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(p *rawPeer, near *memConn)
		want link.Cause
	}{
		"closed between frames": {func(*rawPeer, *memConn) {}, link.CausePeerClosed},
		"cut inside a frame":    {func(_ *rawPeer, c *memConn) { must2(c.Write([]byte{0, 0, 1})) }, link.CauseBroken},
		"record too long":       {func(_ *rawPeer, c *memConn) { must2(c.Write([]byte{0, 1, 0x55, 0xb9})) }, link.CauseFrame},
		"record of nothing":     {func(_ *rawPeer, c *memConn) { must2(c.Write(make([]byte, 4))) }, link.CauseFrame},
	} {
		cfg := config("bob")
		near, _, wait := accepting(cfg)
		p := rawDial(t, link.Stream(near), cfg.Keys[0])
		p.sendHello(p.hello(), nil)
		r := wait()
		must(t, r.err)
		c.end(p, near)
		must(t, near.Close())
		err := r.l.Run(func(wire.Message) error { return nil })
		if causeIs(t, err, c.want); t.Failed() {
			t.Fatal(name)
		}
		r.l.Close(nil)
	}
}

// TestCloseWaitsForTheWriter has the writer in a write that takes a while to
// notice the close.
func TestCloseWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memPipe()
		stuck := &lateWriter{Carrier: link.Stream(a), begun: make(chan struct{})}
		i, r := pairOver(t, stuck, link.Stream(b), config("alice"), config("bob"))
		stuck.late.Store(true)
		must(t, i.Post(wire.TypePing, make([]byte, 8)))
		i.FlushLater()
		<-stuck.begun
		began := time.Now()
		i.Close(nil)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("Close returned after %v, the writer ends after 1s", waited)
		}
		r.Close(nil)
	})
}

// lateWriter is a carrier whose writes take a second, if late is set.
type lateWriter struct {
	link.Carrier
	late  atomic.Bool
	begun chan struct{}
}

func (w *lateWriter) WriteRecord(body []byte) error {
	if w.late.Load() {
		close(w.begun)
		time.Sleep(time.Second) // virtual
	}
	return w.Carrier.WriteRecord(body)
}

func TestCloseWaitsAndTheFirstCauseWins(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	first := errors.New("first")
	var wg sync.WaitGroup
	atI := collect(i)
	i.Close(first)
	for range 4 {
		wg.Go(func() { i.Close(errors.New("another")) })
	}
	wg.Wait()
	<-i.Done()
	for range atI {
	}
	if i.Err() != first {
		t.Errorf("Err is %v", i.Err())
	}
	if err := i.Post(wire.TypePing, make([]byte, 8)); err != first {
		t.Errorf("Post: %v", err)
	}
	if err := i.Room(context.Background()); err != first {
		t.Errorf("Room: %v", err)
	}
	if err := i.Drain(context.Background()); err != first {
		t.Errorf("Drain: %v", err)
	}
	i.Flush()
	i.FlushLater()
	causeIs(t, r.Run(func(wire.Message) error { return nil }), link.CausePeerClosed)
	r.Close(nil)
	causeIs(t, r.Err(), link.CausePeerClosed)
}

func TestLastReceivedIsTheLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _, wait := accepting(config("bob"))
		p := rawDial(t, link.Stream(near), config("bob").Keys[0])
		p.sendHello(p.hello(), nil)
		r := wait()
		must(t, r.err)
		done := collect(r.l)
		time.Sleep(time.Minute)
		must2(near.Write([]byte{0})) // the first byte of a record
		synctest.Wait()
		if got := time.Since(r.l.LastReceived()); got != 0 {
			t.Errorf("last byte %v ago, want now", got)
		}
		time.Sleep(time.Second)
		if got := time.Since(r.l.LastReceived()); got != time.Second {
			t.Errorf("last byte %v ago, want 1s", got)
		}
		if got := r.l.Age(); got != time.Minute+time.Second {
			t.Errorf("age %v", got)
		}
		r.l.Close(nil)
		for range done {
		}
		must(t, near.Close())
	})
}

func TestLastReceivedOfACarrierThatTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, 0, false) // tapped carriers have no LastRead
		time.Sleep(time.Minute)
		s.send(t, true)
		<-s.atR
		synctest.Wait()
		if got := time.Since(s.r.LastReceived()); got != 0 {
			t.Errorf("last frame %v ago, want now", got)
		}
		s.close()
	})
}

func TestCarrierFailureAtStartIsReported(t *testing.T) {
	a, _ := memPipe()
	must(t, a.Close())
	_, err := link.Dial(context.Background(), link.Stream(a), config("alice"), "")
	causeIs(t, err, link.CauseBroken)
	_, err = link.Accept(context.Background(), link.Stream(a), config("alice"))
	causeIs(t, err, link.CauseClosed)
	if errors.Is(err, io.EOF) {
		t.Errorf("%v: a closed carrier is no end of stream", err)
	}
}
