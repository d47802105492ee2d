package link_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func TestFramesCarryWhatWasWaiting(t *testing.T) {
	l, p, _ := rawSession(t, config("bob"))
	defer l.Close(nil)
	for range 100 {
		must(t, l.Post(wire.TypePing, make([]byte, 8)))
	}
	l.Flush()
	if got := p.types(); len(got) != 100 {
		t.Errorf("first frame has %d messages, want 100", len(got))
	}
	must(t, l.Post(wire.TypePong, make([]byte, 8)))
	l.Flush()
	if got := p.types(); len(got) != 1 || got[0] != wire.TypePong {
		t.Errorf("second frame: %v, want PONG alone", got)
	}
}

// So that the peer opens the first frames while the next are sealed.
func TestLargeBatchesAreCutIntoFramesOfSixteenKiB(t *testing.T) {
	l, p, _ := rawSession(t, config("bob"))
	defer l.Close(nil)
	for range 12 { // 192 KiB
		must(t, l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
	}
	l.FlushLater()
	var frames []int
	for total := 0; total < 12; {
		n := len(p.types())
		frames = append(frames, n)
		total += n
	}
	if got := fmt.Sprint(frames); got != "[1 1 1 1 1 1 1 1 1 1 1 1]" {
		t.Errorf("messages per frame %v, want one in each", got)
	}
}

// TestManySendersAtOnce loses no message and keeps each sender's order, whoever
// writes them.
func TestManySendersAtOnce(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	atR, atI := collect(r), collect(i)
	const senders, each = 8, 300
	var wg sync.WaitGroup
	for n := range senders {
		wg.Go(func() {
			for k := range each {
				if err := i.Post(wire.TypePing, fmt.Appendf(nil, "%d %d", n, k)); err != nil {
					t.Error(err)
				}
				if k%2 == n%2 {
					i.Flush()
				} else {
					i.FlushLater()
				}
			}
		})
	}
	var next [senders]int
	for range senders * each {
		var n, k int
		if _, err := fmt.Sscanf(<-atR, "PING %d %d", &n, &k); err != nil || next[n] != k {
			t.Fatalf("sender %d: message %d, want %d (%v)", n, k, next[n], err)
		}
		next[n]++
	}
	wg.Wait()
	i.Close(nil)
	r.Close(nil)
	for range atI {
	}
}

func TestWriteThatBlocksEndsTheLinkAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("bob")
		l, _, _ := rawSession(t, cfg) // the raw peer does not read
		began := time.Now()
		for range pipeBuffer / wire.MaxMessage * 2 {
			must(t, l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
		}
		l.FlushLater()
		<-l.Done()
		causeIs(t, l.Err(), link.CauseWriteTimeout)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("ended after %v, want 5s", took)
		}
		l.Close(nil)
		if cfg.Counters.Ended(link.CauseWriteTimeout) != 1 {
			t.Errorf("counters %v", cfg.Counters.Snapshot())
		}
	})
}

func TestR32_FullOutboxEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("bob")
		cfg.HardBound = 1 << 20
		l, _, _ := rawSession(t, cfg)
		posted := 0
		var err error
		for err == nil {
			err = l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage))
			l.FlushLater()
			posted += wire.MaxMessage
		}
		causeIs(t, err, link.CauseOverflow)
		if most := 1<<20 + pipeBuffer + wire.MaxMessage; posted > most {
			t.Errorf("%d bytes taken, the bound is 1 MiB beside %d on the way", posted, pipeBuffer)
		}
		l.Close(nil)
		if cfg.Counters.Ended(link.CauseOverflow) != 1 {
			t.Errorf("counters %v", cfg.Counters.Snapshot())
		}
	})
}

func TestRoomWaitsBelowTheSoftBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("bob")
		l, p, _ := rawSession(t, cfg)
		ctx := context.Background()
		var sent sync.WaitGroup
		chunks := pipeBuffer/wire.MaxMessage + 40
		for range 4 { // senders at the same time
			sent.Go(func() {
				for range chunks / 4 {
					if l.Room(ctx) != nil || l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)) != nil {
						t.Error("the link has ended")
						return
					}
					l.Flush()
				}
			})
		}
		synctest.Wait() // until all senders wait, with the peer's window full
		if err := l.Room(expired()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Room of a full outbox: %v", err)
		}
		for got := 0; got < chunks/4*4; {
			got += len(p.types())
		}
		sent.Wait()
		must(t, l.Drain(ctx))
		must(t, l.Room(ctx))
		l.Close(nil)
	})
}

// TestRoomComesBackBeforeTheOutboxIsEmpty wakes a sender as soon as there is
// room, so that a link that carries much never runs dry.
func TestRoomComesBackBeforeTheOutboxIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, _ := rawSession(t, config("bob"))
		const chunks = 2 * pipeBuffer / wire.MaxMessage
		for range chunks {
			must(t, l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
		}
		room := make(chan error, 1)
		go func() { room <- l.Room(context.Background()) }()
		synctest.Wait()
		got := 0
		for len(room) == 0 && got < chunks {
			got += len(p.types())
			synctest.Wait()
		}
		must(t, <-room)
		if err := l.Drain(expired()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the outbox was empty by then: %v", err)
		}
		for got < chunks {
			got += len(p.types())
		}
		l.Close(nil)
	})
}

func TestRoomEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _ := rawSession(t, config("bob"))
		for range 2 * pipeBuffer / wire.MaxMessage {
			must(t, l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
		}
		failed := make(chan error, 2)
		go func() { failed <- l.Room(context.Background()) }()
		go func() { failed <- l.Drain(context.Background()) }()
		<-l.Done()
		for range 2 {
			causeIs(t, <-failed, link.CauseWriteTimeout)
		}
		l.Close(nil)
	})
}

// TestReaderNeverWritesInline has both readers answer each message with one,
// through connections that hold less than a frame. If FlushLater wrote itself,
// each would wait for the other to read.
func TestReaderNeverWritesInline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memPipeSize(1 << 10)
		i, r := pairOver(t, link.Stream(a), link.Stream(b), config("alice"), config("bob"))
		body := make([]byte, 4<<10)
		var readers sync.WaitGroup
		enough := make(chan struct{}, 2)
		for _, l := range []*link.Link{i, r} {
			answer := func() error {
				defer l.FlushLater()
				return l.Post(wire.TypePing, body)
			}
			must(t, answer())
			readers.Go(func() {
				got := 0
				_ = l.Run(func(wire.Message) error {
					if got++; got == 200 {
						enough <- struct{}{}
					}
					return answer()
				})
			})
		}
		for range 2 {
			select {
			case <-enough:
			case <-i.Done():
				t.Fatalf("stuck: %v", i.Err())
			}
		}
		i.Close(nil)
		r.Close(nil)
		readers.Wait()
	})
}

func TestMessagesThatCannotBePosted(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	defer i.Close(nil)
	defer r.Close(nil)
	if err := i.Post(wire.TypeChunk, make([]byte, wire.MaxMessage), []byte{1}); err != link.ErrMessageTooLarge {
		t.Errorf("too large: %v", err)
	}
	for _, own := range []wire.Type{wire.TypeHello, wire.TypeKeyUpdate} {
		if err := i.Post(own); err != link.ErrMessageType {
			t.Errorf("%v: %v", own, err)
		}
	}
	if i.Err() != nil {
		t.Errorf("the link has ended: %v", i.Err())
	}
}

// expired returns a context whose time is over.
func expired() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	cancel()
	return ctx
}

func TestDrainWaitsUntilAllIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, _ := rawSession(t, config("bob"))
		const chunks = pipeBuffer / wire.MaxMessage * 2
		for range chunks {
			must(t, l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
		}
		drained := make(chan error, 1)
		go func() { drained <- l.Drain(context.Background()) }()
		synctest.Wait()
		select {
		case <-drained:
			t.Error("drained although the peer has read nothing")
		default:
		}
		for got := 0; got < chunks; {
			got += len(p.types())
		}
		must(t, <-drained)
		l.Close(nil)
	})
}

// TestCallersDoNotWaitForASlowPeer has the peer hold up one write. After it,
// Flush leaves the writing to the writer for a second.
func TestCallersDoNotWaitForASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _, wait := accepting(config("bob"))
		p := rawDial(t, link.Stream(near), crypto.Derive(testKey, "test"))
		p.sendHello(p.hello(), nil)
		r := wait()
		must(t, r.err)
		for range 12 { // four frames, a little more than the connection holds
			must(t, r.l.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)))
		}
		r.l.FlushLater()
		time.Sleep(100 * time.Millisecond) // virtual; the writer waits for the peer
		if _, err := near.Read(make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the write ends, and hardly anything has room
		if err := r.l.Drain(expired()); err != nil {
			t.Fatalf("the write has not ended: %v", err)
		}
		began := time.Now()
		for range 3 {
			must(t, r.l.Post(wire.TypeChunk, make([]byte, 4<<10)))
			r.l.Flush()
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("callers waited %v", waited)
		}
		r.l.Close(nil)
		must(t, near.Close())
	})
}
