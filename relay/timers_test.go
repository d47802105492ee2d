package relay_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// flood writes to a channel until that fails.
func flood(ch *relay.Channel) error {
	for {
		if err := ch.WriteRecord(make([]byte, 60_000)); err != nil {
			return err
		}
	}
}

// pings reads PINGs and calls answer for each with how long after the last one
// it came, until the connection ends.
func (k *seat) pings(answer func(n int, after time.Duration, e relay.Echo)) {
	last := time.Now()
	for n := 0; ; n++ {
		typ, body, err := k.frames.Next(relay.ToRelay)
		if err != nil {
			return
		}
		if typ != relay.FramePing {
			k.t.Errorf("got %v", typ)
		}
		now := time.Now()
		answer(n, now.Sub(last), relay.Echo(body))
		last = now
	}
}

func TestS4_33_PingEvery25Seconds(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		0: 25 * time.Second, 25 * time.Second: 25 * time.Second,
		10 * time.Second: 10 * time.Second,
		time.Second:      5 * time.Second, // bounded: a relay cannot have us flood it
		time.Hour:        time.Minute,     // nor be without us for long
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			s.hello.Ping = asked
			c, k, ended := joined(t, s, s.config(newEvents()))
			go func() {
				time.Sleep(time.Hour)
				c.Close(nil)
			}()
			varied := map[time.Duration]bool{}
			k.pings(func(n int, after time.Duration, e relay.Echo) {
				if after < want*4/5 || after > want*6/5 {
					t.Errorf("asked %v: PING %d after %v", asked, n, after)
				}
				varied[after] = true
				time.Sleep(100 * time.Millisecond)
				_ = k.send(relay.AppendPong(nil, relay.Echo{})) // to nothing: ignored
				time.Sleep(100 * time.Millisecond)
				_ = k.send(relay.AppendPong(nil, e)) // the client may be gone
			})
			if err := <-ended; !errors.Is(err, relay.ErrClosed) {
				t.Errorf("Run returned %v", err)
			}
			if len(varied) < 10 {
				t.Error("there is no jitter")
			}
			if c.RTT() != 200*time.Millisecond {
				t.Errorf("RTT %v", c.RTT())
			}
		})
	}
}

// A client that always has something to write pings all the same.
func TestPingsGoOnUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		written := make(chan error)
		go func() { written <- flood(ch) }()
		pings := 0
		for start := time.Now(); time.Since(start) < 3*time.Minute; {
			typ, body, err := a.frames.Next(relay.ToRelay)
			if err != nil {
				t.Fatal(err)
			}
			if typ == relay.FramePing {
				pings++
				a.must(relay.AppendPong(nil, relay.Echo(body)))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if pings < 5 {
			t.Errorf("%d PINGs in 3 minutes", pings)
		}
		a.c.Close(errors.New("done"))
		<-written
	})
}

// One missed PONG is forgiven, two in a row end the connection; a relay that
// vanishes is noticed within a minute (R7).
func TestS4_33_TwoMissedPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		_, k, ended := joined(t, s, s.config(newEvents()))
		silence := time.Now()
		missed := 0
		k.pings(func(n int, after time.Duration, e relay.Echo) {
			switch {
			case n < 9 && n%3 == 1: // the next comes early, and is answered
				missed++
			case n < 9:
				if n%3 == 2 && after != 10*time.Second {
					t.Errorf("after a missed PONG the next PING comes after %v", after)
				}
				k.must(relay.AppendPong(nil, e))
				silence = time.Now()
			}
		})
		if err := <-ended; !errors.Is(err, relay.ErrSilent) {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(silence); missed != 3 || took > time.Minute || took < 20*time.Second {
			t.Errorf("%d missed, noticed after %v", missed, took)
		}
	})
}

// Any frame shows life: a PONG may be behind a large one.
func TestFramesInPlaceOfPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		c, k, ended := joined(t, s, s.config(newEvents()))
		stop := time.AfterFunc(10*time.Minute, func() { c.Close(nil) })
		defer stop.Stop()
		var sender sync.WaitGroup
		sender.Go(func() {
			for k.send(relay.AppendUp(nil, a1)) == nil {
				time.Sleep(8 * time.Second)
			}
		})
		k.pings(func(int, time.Duration, relay.Echo) {})
		if err := <-ended; !errors.Is(err, relay.ErrClosed) {
			t.Errorf("Run returned %v", err)
		}
		_ = k.conn.Close()
		sender.Wait()
	})
}

// A relay that stops reading ends the connection after the write deadline, and
// holds up no writer longer than its own.
func TestR32_RelayThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		start := time.Now()
		_ = ch.SetWriteDeadline(start.Add(2 * time.Second))
		if err := flood(ch); !isTimeout(err) || time.Since(start) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_ = ch.SetWriteDeadline(time.Time{})
		var lost *relay.LostError
		if err := flood(ch); !errors.As(err, &lost) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		a.fails(relay.ErrNotReading)
	})
}

// A relay that reads slowly is not one that does not read: the deadline is of
// pieces, not of all that waits.
func TestSlowRelayIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, func(c *relay.Config) { c.Timers.Ping = time.Hour }) // nobody answers here
		ch, _ := a.open(addr(1))
		const records = 30
		go func() {
			for range records {
				if err := ch.WriteRecord(make([]byte, 80_000)); err != nil {
					t.Error(err)
				}
			}
		}()
		buf := make([]byte, 8<<10)
		start, total := time.Now(), 0
		for total < records*80_000 {
			n, err := a.conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			total += n
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < time.Minute {
			t.Errorf("it took only %v", took)
		}
	})
}

// What waits for a relay that does not read is bounded per channel: WriteRecord
// waits.
func TestR32_WriteRecordWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		var taken int
		_ = ch.SetWriteDeadline(time.Now().Add(time.Second))
		for ch.WriteRecord(make([]byte, 1000)) == nil {
			taken += 1000
		}
		if taken > 400_000 { // two socket buffers of 64 KiB, a batch, an outbox
			t.Errorf("%d bytes were taken", taken)
		}
		a.c.Close(errors.New("done"))
	})
}

// A GONE for each of endless sessions is bounded too.
func TestR32_GonesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		sent := 0
		for n := uint32(0); ; n++ {
			if a.send(relay.AppendRecv(nil, relay.Record{Peer: addr(1), Session: session(n), Body: []byte("x")})) != nil {
				break
			}
			sent++
		}
		a.fails(relay.ErrNotReading)
		if sent > 50_000 {
			t.Errorf("after %d unknown sessions", sent)
		}
	})
}

// So are those of sessions that the handler accepts and closes.
func TestR32_GonesOfClosedSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		h := &shutting{newEvents()}
		_, k, ended := joined(t, s, s.config(h))
		for n := uint32(0); ; n++ {
			if k.send(relay.AppendRecv(nil, relay.Record{Peer: addr(1), Session: session(n), Body: msg1(0)})) != nil {
				break
			}
			if n > 100_000 {
				t.Fatal("there is no bound")
			}
		}
		if err := <-ended; !errors.Is(err, relay.ErrNotReading) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// shutting is a Handler that answers each session, and closes it.
type shutting struct{ *events }

func (h *shutting) Accept(ch *relay.Channel) {
	_ = ch.WriteRecord([]byte("no"))
	_ = ch.Close()
}

// A relay that PINGs without end gets no more PONGs than it reads.
func TestPingsOfTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		var e relay.Echo
		for n := range 50_000 {
			e = relay.Echo{byte(n), byte(n >> 8), 1}
			a.must(relay.AppendPing(nil, e))
		}
		pongs := 1
		for relay.Echo(a.next(relay.FramePong)) != e { // the latest is answered
			pongs++
		}
		if pongs > 20_000 {
			t.Errorf("%d PONGs", pongs)
		}
	})
}

// Bulk of other channels does not hold up a record: what can be before it is a
// socket's window of 64 KiB, a batch, and a turn of each. Nor a control frame,
// before which there are no turns.
func TestBulkDoesNotHoldUpSmallRecordsAndControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		small, smallID := a.open(addr(99))
		var bulk []*relay.Channel
		for n := range uint32(10) {
			ch, _ := a.open(addr(n))
			bulk = append(bulk, ch)
		}
		for _, ch := range bulk { // 640 KiB that wait
			_ = ch.SetWriteDeadline(time.Now().Add(time.Millisecond))
			for ch.WriteRecord(make([]byte, 3000)) == nil {
			}
		}
		for range 2 {
			if err := small.WriteRecord([]byte("now")); err != nil {
				t.Fatal(err)
			}
			if n := a.before(relay.FrameSend, smallID); n > 200_000 {
				t.Errorf("%d bytes went before a small record", n)
			}
			synctest.Wait()
		}
		a.must(relay.AppendPing(nil, relay.Echo{1}))
		synctest.Wait()
		if n := a.before(relay.FramePong, smallID); n > 120_000 {
			t.Errorf("%d bytes went before PONG", n)
		}
		a.c.Close(errors.New("done"))
	})
}

// before counts the bytes of records until a PONG, or a record of a session.
func (a attended) before(want relay.FrameType, id relay.SessionID) (n int) {
	a.t.Helper()
	for {
		typ, body, err := a.frames.Next(relay.ToRelay)
		if err != nil {
			a.t.Fatal(err)
		}
		if typ == relay.FrameSend {
			if r, _ := relay.ParseRecord(body); want == typ && r.Session == id {
				return n
			}
			n += len(body)
		}
		if typ == want && typ != relay.FrameSend {
			return n
		}
	}
}

// Bulk channels share the connection about evenly, whatever their records' size.
func TestBulkChannelsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ids := make([]relay.SessionID, 3)
		channels := make([]*relay.Channel, 3)
		for n := range channels {
			channels[n], ids[n] = a.open(addr(uint32(n + 1)))
		}
		for n, size := range []int{300, 4000, 8000} {
			go func() {
				for channels[n].WriteRecord(make([]byte, size)) == nil {
				}
			}()
		}
		got := map[relay.SessionID]int{}
		for total := 0; total < 1<<20; {
			synctest.Wait() // all that can wait does
			r := a.sent()
			got[r.Session] += len(r.Body)
			total += len(r.Body)
		}
		for n, id := range ids {
			if share := got[id]; share < 200<<10 {
				t.Errorf("channel %d got %d bytes of 1 MiB", n, share)
			}
		}
		a.c.Close(errors.New("done"))
	})
}

// Close does not wait for a relay that does not read.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		written := make(chan error)
		go func() { written <- flood(ch) }()
		synctest.Wait()
		start := time.Now()
		a.c.Close(nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if err := <-written; err == nil {
			t.Error("a writer goes on")
		}
		a.fails(relay.ErrClosed)
	})
}

// A client whose Run was never called ends too.
func TestCloseWithoutRun(t *testing.T) {
	s := newStation(t)
	seated := make(chan *seat)
	go func() {
		k, _ := s.welcome()
		seated <- k
	}()
	c, err := relay.Connect(context.Background(), s.config(newEvents()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close(nil)
	<-c.Done()
	(<-seated).until()
}
