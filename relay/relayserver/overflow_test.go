package relayserver_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// patient lets a client take nothing for long, so that a test sees what else happens.
func patient() relayserver.Config {
	return relayserver.Config{Timers: relayserver.Timers{Stall: time.Hour}}
}

// A full queue first stops the reading of its sender, for 250 ms, then ends the
// session with GONE(overflow) to both ends; other sessions of the sender live on.
func TestFullQueueEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, patient()), network()
		slow := s.rawMember(n)
		a := s.rawMember(n)
		good := s.rawMember(n)
		a.want(up(slow.self), up(good.self))
		start, sent := time.Now(), make(chan time.Duration)
		const size, count = 32 << 10, 100 // more than the queue and the connections hold
		go func() {
			for range count {
				a.record(slow.self, 5, size)
			}
			a.record(good.self, 6, size)
			sent <- time.Since(start)
		}()
		a.want(gone(slow.self, 5, relay.GoneOverflow))
		if d := time.Since(start); d != 250*time.Millisecond {
			t.Errorf("the session ends after %v", d)
		}
		// What follows of the ended session does not wait 250 ms each.
		if d := <-sent; d > 260*time.Millisecond {
			t.Errorf("the sender was held up for %v", d)
		}
		for good.next() != recv(a.self, 6, size) {
		}
		slow.want(up(a.self), up(good.self))
		got := 0
		for {
			f := slow.next()
			if f == gone(a.self, 5, relay.GoneOverflow) {
				break
			}
			if f != recv(a.self, 5, size) {
				t.Fatalf("got %q", f)
			}
			got++
		}
		if held := got * size; held < 2<<20 || held > 2<<20+400<<10 {
			t.Errorf("%d bytes were held and in flight", held)
		}
		synctest.Wait()
		if st := s.server.Stats(); st.Overflows != 1 || st.QueueBytes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// While a client reads, if slowly, its sender is only held back: nothing is lost.
func TestBackPressureLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		slow, a := s.rawMember(n), s.rawMember(n)
		const size, count = 64 << 10, 200
		go func() {
			for range count {
				a.record(slow.self, 1, size)
			}
		}()
		slow.want(up(a.self))
		for range count {
			time.Sleep(50 * time.Millisecond)
			slow.want(recv(a.self, 1, size))
		}
	})
}

// R32: a client that reads a kilobyte a second while twenty send to it is cut
// within ten seconds, its queue never holds more than 2 MiB, and others are not
// held up.
func TestR32_SlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		slow := s.rawMember(n)
		start, cut, most := time.Now(), make(chan time.Duration, 1), int64(0)
		go func() {
			for b := make([]byte, 1024); ; time.Sleep(time.Second) {
				if _, err := slow.conn.Read(b); err != nil {
					return
				}
			}
		}()
		go func() {
			for s.server.Stats().Stalled == 0 {
				most = max(most, s.server.Stats().QueueBytes)
				time.Sleep(10 * time.Millisecond)
			}
			cut <- time.Since(start)
		}()
		for range 20 {
			k := s.rawMember(n)
			go func() {
				for k.next() != down(slow.self) {
				}
			}()
			go func() {
				for i := range 200 {
					k.record(slow.self, byte(i), wire.MaxPlain)
				}
			}()
		}
		others := [2]*raw{s.rawMember(network()), nil}
		for range 50 {
			began := time.Now()
			others[0].send(relay.AppendPing(nil, relay.Echo{}))
			others[0].want("PONG 0000000000000000")
			if d := time.Since(began); d > 0 {
				t.Fatalf("others wait %v", d)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if d := <-cut; d > 10*time.Second {
			t.Errorf("cut after %v", d)
		}
		if most < 2<<20 || most > 2<<20+128<<10 {
			t.Errorf("the queues held %d bytes", most)
		}
		synctest.Wait()
		if q := s.server.Stats().QueueBytes; q != 0 {
			t.Errorf("%d bytes stay in the queues", q)
		}
		_ = slow.conn.Close()
		time.Sleep(time.Second) // its reader sees it
	})
}

// The memory of all queues together is bounded: beyond it sessions end as if the
// queue were full.
func TestMemoryGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := patient()
		cfg.Limits.Memory = 1 << 20
		s, n := newSite(t, cfg), network()
		var slow []*raw
		for range 5 {
			slow = append(slow, s.rawMember(n))
		}
		a := s.rawMember(n)
		ended := 0
		go func() {
			for i := range 50 {
				for _, to := range slow {
					a.record(to.self, byte(i), 64<<10)
				}
			}
			a.send(relay.AppendPing(nil, relay.Echo{1}))
		}()
		for f := a.next(); f != "PONG 0100000000000000"; f = a.next() {
			if strings.HasPrefix(f, "GONE") && strings.HasSuffix(f, fmt.Sprint(" ", int(relay.GoneOverflow))) {
				ended++
			}
			if q := s.server.Stats().QueueBytes; q > 1<<20+64<<10 {
				t.Errorf("the queues hold %d bytes", q)
			}
		}
		if ended == 0 {
			t.Error("no session has ended")
		}
	})
}

// A client that takes nothing at all is cut after five seconds, and is DOWN for
// the others at once.
func TestStalledClientIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		slow, a := s.rawMember(n), s.rawMember(n)
		a.want(up(slow.self))
		start := time.Now()
		go func() {
			for range 20 {
				a.record(slow.self, 1, 64<<10)
			}
		}()
		a.want(down(slow.self))
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("cut after %v", d)
		}
	})
}
